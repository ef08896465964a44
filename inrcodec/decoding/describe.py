"""What `info` says of a file: its facts, bytes part by part, and how far its coder is from ideal code lengths."""

import math
from typing import Any

from inrcodec import families, metrics
from inrcodec.families import StoredPicture
from inrcodec.format.container import VERSION
from inrcodec.format.limits import DEFAULT_LIMITS, DecodeLimits

CHANNELS = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGBA"}
"""What pictures of so many channels are called."""


def facts(data: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> dict[str, Any]:
    """Facts of a valid file by name, ready for JSON; it is read and checked whole. Errors as of `families.read`."""
    stored = families.read(data, limits)
    parts, network = families.section_sizes(data, limits), stored.network.facts()
    return {
        "version": VERSION,
        **headline(stored, len(data)),
        "float32_safe": stored.f32_safe,
        "content_hash": None if stored.content_hash is None else f"{stored.content_hash:08x}",
        "parts": parts,
        "layers": network.layers,
        "ideal": _ideal(network.ideal, parts["weights"], len(data)),
    }


def headline(stored: StoredPicture, file_bytes: int) -> dict[str, Any]:
    """The facts that take no second look at the file."""
    network = stored.network.facts()
    return {
        "width": stored.width,
        "height": stored.height,
        "channels": stored.network.channels,
        "bytes": file_bytes,
        "bpp": round(metrics.bpp(file_bytes, stored.height, stored.width), 4),
        "network": network.name,
        "description": network.description,
        "weights": network.weights,
        "zero_weights": network.zero_weights,
        "latents": network.latents,
        "zero_latents": network.zero_latents,
        "bits_per_weight": round(8 * file_bytes / (network.weights + network.latents), 2),
    }


def sentences(facts: dict[str, Any]) -> list[str]:
    """What `facts` say, for a person: of the picture and the file, of the network, and of how it is drawn."""
    channels = facts["channels"]
    numbers = f"{facts['weights']:,} weights, {facts['zero_weights']:,} of them 0,"
    if facts["latents"]:
        numbers += f" and {facts['latents']:,} latents, {facts['zero_latents']:,} of them 0;"
    check = "It has no hash to check the drawing by."
    if facts["content_hash"] is not None:
        check = f"`inrcodec verify` checks the drawing by the hash {facts['content_hash']}."
    return [
        f"{facts['width']}x{facts['height']} pixels, {CHANNELS[channels]}, {facts['bytes']:,} bytes, "
        f"{facts['bpp']:.2f} bits per pixel; format version {facts['version']}.",
        f"A network of {facts['description']} ({facts['network']}): {numbers} "
        f"{facts['bits_per_weight']:.2f} bits of the file for each.",
        f"It is drawn in {'float32' if facts['float32_safe'] else 'float64, as float32 would differ'}. {check}",
    ]


def _ideal(ideal: dict[str, float], weights: int, total: int) -> dict[str, Any]:
    """Ideal bytes of the weights (`codelength.py`), and what the real ones have above them, in % of the file."""
    found: dict[str, Any] = {"weights_bytes": weights}
    for law, size in ideal.items():
        found |= {f"{law}_bytes": math.ceil(size), f"{law}_percent": round(100 * (weights - size) / total, 2)}
    return found
