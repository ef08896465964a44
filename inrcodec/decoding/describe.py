"""What `info` says of a file: its facts, bytes part by part, and how far its coder is from ideal code lengths."""

import math
from typing import Any

import numpy as np

from inrcodec import metrics
from inrcodec.families.siren.model import QuantizedModel
from inrcodec.format import codelength, container
from inrcodec.format.limits import DEFAULT_LIMITS, DecodeLimits

CHANNELS = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGBA"}
"""What pictures of so many channels are called."""


def facts(data: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> dict[str, Any]:
    """Facts of a valid file by name, ready for JSON; it is read and checked whole. Errors as of `container.read`."""
    model = container.read(data, limits)
    parts = container.section_sizes(data, limits)
    return {
        "version": container.VERSION,
        **headline(model, len(data)),
        "float32_safe": model.f32_safe,
        "content_hash": None if model.content_hash is None else f"{model.content_hash:08x}",
        "parts": parts,
        "layers": _layers(model),
        "ideal": _ideal(model, parts["weights"], len(data)),
    }


def headline(model: QuantizedModel, file_bytes: int) -> dict[str, Any]:
    """The facts that take no second look at the file."""
    count = model.arch.param_count()
    return {
        "width": model.width,
        "height": model.height,
        "channels": model.arch.channels,
        "bytes": file_bytes,
        "bpp": round(metrics.bpp(file_bytes, model.height, model.width), 4),
        "network": f"SIREN 2-{'-'.join(map(str, model.arch.dim_hidden))}-{model.arch.channels}",
        "weights": count,
        "zero_weights": count - sum(int((symbols != 0).sum()) for symbols in model.symbols),
        "bits_per_weight": round(8 * file_bytes / count, 2),
    }


def sentences(facts: dict[str, Any]) -> list[str]:
    """What `facts` say, for a person: of the picture and the file, of the network, and of how it is drawn."""
    channels, count, zero = facts["channels"], facts["weights"], facts["zero_weights"]
    sines = [layer["outputs"] for layer in facts["layers"][:-1]]
    neurons = str(sines[0]) if len(set(sines)) == 1 else ", ".join(map(str, sines))
    width = f"{len(sines)} sine layer{'s' * (len(sines) > 1)} of {neurons} neuron{'s' * (neurons != '1')}"
    check = "It has no hash to check the drawing by."
    if facts["content_hash"] is not None:
        check = f"`inrcodec verify` checks the drawing by the hash {facts['content_hash']}."
    return [
        f"{facts['width']}x{facts['height']} pixels, {CHANNELS[channels]}, {facts['bytes']:,} bytes, "
        f"{facts['bpp']:.2f} bits per pixel; format version {facts['version']}.",
        f"A network of {width} ({facts['network']}): {count:,} weights, "
        f"{zero:,} of them 0, {facts['bits_per_weight']:.2f} bits of the file for each.",
        f"It is drawn in {'float32' if facts['float32_safe'] else 'float64, as float32 would differ'}. {check}",
    ]


def _layers(model: QuantizedModel) -> list[dict[str, Any]]:
    """Each layer's sizes, sparsity, and bits of a weight by its own order-0 entropy."""
    layers = []
    for weight, bias in zip(model.symbols[::2], model.symbols[1::2], strict=True):
        symbols = np.concatenate([weight.reshape(-1), bias])
        layers.append(
            {
                "inputs": weight.shape[1],
                "outputs": weight.shape[0],
                "weights": symbols.size,
                "zero": int((symbols == 0).sum()),
                "ideal_bits_per_weight": round(codelength.order_0_bits(symbols) / symbols.size, 3),
            }
        )
    return layers


def _ideal(model: QuantizedModel, weights: int, total: int) -> dict[str, Any]:
    """Ideal bytes of the weights (`codelength.py`), and what the real ones have above them, in % of the file."""
    order_0 = codelength.order_0_bits(np.concatenate([symbols.reshape(-1) for symbols in model.symbols])) / 8
    laplace = codelength.model_bits(model.symbols) / 8
    return {
        "weights_bytes": weights,
        "order_0_bytes": math.ceil(order_0),
        "order_0_percent": round(100 * (weights - order_0) / total, 2),
        "laplace_bytes": math.ceil(laplace),
        "laplace_percent": round(100 * (weights - laplace) / total, 2),
    }
