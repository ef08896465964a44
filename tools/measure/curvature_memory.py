"""Time and peak memory of the curvature and of one compensated rounding, in a process of its own (on Linux).

python tools/measure/curvature_memory.py PICTURE WEIGHTS    # an untrained network of about so many weights
"""

import sys
import time

import torch

from inrcodec.families.siren import ladder
from inrcodec.families.siren.curvature import blocks
from inrcodec.families.siren.network import init
from inrcodec.families.siren.quantize import QuantizeConfig, Quantizer, affine_rounding
from inrcodec.families.siren.tensors import FloatNetwork
from inrcodec.fitting.target import Target
from inrcodec.pictures.load import to_array
from tools.measure.decode_memory import peak
from tools.measure.trial import CPU, at_once, curvature_megabytes, curvature_seconds, drawn_psnr, keep_all


def main() -> None:
    codes, wanted = to_array(sys.argv[1])[..., :3], int(sys.argv[2])
    height, width, channels = codes.shape
    arch = ladder.choose_arch(height, width, channels, wanted / (height * width))
    network = FloatNetwork(arch, init(arch, 0, ladder.init_config(height, width)), CPU)
    psnr, config = drawn_psnr(network, codes), at_once(QuantizeConfig())
    affine_rounding()  # torchao's import is not the curvature's
    before = peak()
    quantizer = Quantizer(network, Target(codes, CPU), psnr, keep_all(network), config)
    start = time.perf_counter()
    with curvature_seconds() as spent:
        quantizer.run(config.rounding_noise)
    (curvature,), seconds = spent, time.perf_counter() - start
    most, count = peak(), arch.param_count()
    print(
        f"  {count:,} weights in {len(blocks(count))} blocks, {torch.get_num_threads()} threads: curvature "
        f"{curvature:.1f} s and {curvature_megabytes(count):.0f} MB, rounding with it {seconds - curvature:.1f} s, "
        f"peak {most:.0f} MB, {most - before:.0f} MB above the imports",
        flush=True,
    )


if __name__ == "__main__":
    main()
