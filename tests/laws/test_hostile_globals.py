"""No setting of the host program changes a sample, nor does a decode change a setting."""

import dataclasses
import itertools
import subprocess
import sys

import numpy as np
import pytest

from inrcodec import families
from inrcodec.decoding import conformance, decoder
from inrcodec.families import StoredPicture
from inrcodec.families.siren.network import SirenArch
from inrcodec.families.siren.stored import SirenNetwork
from tests.support.grids import grid_picture
from tests.support.helpers import ENVIRONMENT, small_model


def tiny() -> StoredPicture:
    """Eight layers of the least weights that there are: their products leave float32's normal numbers."""
    arch = SirenArch((2,) * 8, 3)
    symbols = tuple(np.ones(shape, np.int32) * (len(shape) - 1) for shape in arch.param_shapes())
    return StoredPicture(SirenNetwork(arch, symbols, (0,) * len(symbols)), 5, 7, f32_safe=True)


GRID = dataclasses.replace(grid_picture(5, 7, 3, change=3), f32_safe=True)
FILES = [families.write(conformance.certify(small_model())), families.write(tiny()), families.write(GRID)]
DRAW = f"""
import sys, itertools
from inrcodec.decoding import decoder
from inrcodec.format import container
for data in {FILES!r}:
    for exact, size in itertools.product((False, True), ((20, 30), (2, 3))):
        sys.stdout.buffer.write(decoder.decode(data, size, exact=exact).tobytes())
    sys.stdout.buffer.write(decoder.open_bytes(data).sample([(0.1, 0.2)]).tobytes())
"""
DRAW_WITH_TORCH = f"""
for data in {FILES!r}:
    sys.stdout.buffer.write(decoder.decode(data, (20, 30), exact=True, device="cpu:0").tobytes())
"""

NUMPY_SETTINGS = {
    "errors raise": "import numpy as np; np.seterr(all='raise')",
    "prints": "import numpy as np; np.set_printoptions(precision=1)",
    "decimal": "import decimal; decimal.getcontext().prec = 2",
    "locale": "import locale; locale.setlocale(locale.LC_ALL, '')",
    "recursion": "import sys; sys.setrecursionlimit(150)",
}
TORCH_SETTINGS = """
import torch
torch.backends.cuda.matmul.allow_tf32 = True
torch.set_float32_matmul_precision("medium")
torch.set_default_dtype(torch.float64)
torch.set_grad_enabled(True)
torch.autocast("cpu", dtype=torch.bfloat16).__enter__()
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
"""


def drawn(setting: str, *flags: str, also: str = "", **environment: str) -> bytes:
    """Pictures of both classes, larger and smaller than they are, from a fresh interpreter with a setting."""
    code = f"{setting}\n{DRAW}\n{also}"
    process = subprocess.run(
        [sys.executable, *flags, "-c", code], capture_output=True, env=ENVIRONMENT | environment, check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def plain() -> bytes:
    return drawn("")


@pytest.mark.parametrize("setting", NUMPY_SETTINGS)
def test_no_setting_of_the_host_program_changes_a_sample(setting: str, plain: bytes) -> None:
    assert len(plain) > 2 * 2 * 606 * 3
    assert drawn(NUMPY_SETTINGS[setting], LC_ALL="C.UTF-8") == plain


@pytest.mark.parametrize("flags", [("-O",), ("-OO",), ("-W", "error"), ("-X", "utf8=0"), ("-bb",)])
def test_no_option_of_the_interpreter_changes_a_sample(flags: tuple[str, ...], plain: bytes) -> None:
    assert drawn("", *flags) == plain


def test_no_setting_of_torch_changes_a_sample() -> None:
    assert drawn(TORCH_SETTINGS, also=DRAW_WITH_TORCH) == drawn("", also=DRAW_WITH_TORCH)


def test_settings_are_left_as_they_were() -> None:
    with np.errstate(under="raise", over="print"):
        before = np.geterr()
        for data, exact in itertools.product(FILES, (False, True)):
            decoder.decode(data, exact=exact)
        assert np.geterr() == before
