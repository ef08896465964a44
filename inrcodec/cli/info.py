"""`inrcodec info` and `inrcodec verify`: what files hold, and whether this machine draws them as it should."""

import argparse
import json
from collections.abc import Callable
from typing import Any

from inrcodec.cli import batch
from inrcodec.cli.commands import INR_SUFFIXES, limits_of, naming, read
from inrcodec.cli.cures import worded
from inrcodec.cli.terminal import say
from inrcodec.decoding import describe
from inrcodec.errors import SOME_FAILED, BitstreamError, InrError, printable

_BAR = 40
"""Characters of the bar that stands for a whole file."""


def run(options: argparse.Namespace) -> int:
    """Either command; returns its exit code."""
    inputs = [name for name, _ in batch.find_inputs(options.input, INR_SUFFIXES, options.recursive)]
    look = _info if options.command == "info" else _verify
    if len(inputs) == 1:
        return look(inputs[0], options)
    return _each(inputs, options, look)


def _each(inputs: list[str], options: argparse.Namespace, look: Callable[[str, argparse.Namespace], int]) -> int:
    failed = []
    for number, name in enumerate(inputs):
        if number and not options.json and options.command == "info":
            print()
        try:
            if look(name, options):
                failed.append(name)
        except InrError as error:
            failed.append(name)
            say(f"inrcodec: {worded(error)}")
            if options.json:
                print(json.dumps({"file": name, "error": worded(error), "kind": type(error).__name__}))
    if failed:
        say(f"inrcodec: {batch.summary(len(inputs) - len(failed), len(inputs), failed)}")
    return SOME_FAILED if failed else 0


def _info(name: str, options: argparse.Namespace) -> int:
    limits = limits_of(options)
    data = read(name, limits)
    with naming(name):
        facts = describe.facts(data, limits)
    if options.json:
        print(json.dumps({"file": name, **facts}))
        return 0
    first, *rest = describe.sentences(facts)
    print(f"{printable(name)}: {first}", *rest, "", sep="\n")
    _print_layers(facts["layers"])
    _print_parts(facts["parts"])
    _print_ideal(facts["ideal"])
    return 0


def _print_layers(layers: list[dict[str, Any]]) -> None:
    for number, layer in enumerate(layers, 1):
        name, kind = layer.get("part", f"layer {number}"), "latent" if "latents" in layer else "weight"
        print(
            f"{name:<16}{_shape(layer)}{layer[f'{kind}s']:,} {kind}s, {layer['zero']:,} of them 0, "
            f"{layer[f'ideal_bits_per_{kind}']:.2f} bits each"
        )


def _shape(layer: dict[str, Any]) -> str:
    if "inputs" in layer:
        return f"{layer['inputs']} -> {layer['outputs']}: "
    return f"{layer['columns']}x{layer['rows']}: " if "rows" in layer else ""


def _print_parts(parts: dict[str, int]) -> None:
    """Bytes of each part, and its share of the file as a bar."""
    total = sum(parts.values())
    for part, size in parts.items():
        bar = "#" * round(_BAR * size / total)
        print(f"{part:<16}{size:>9,} bytes {100 * size / total:5.1f} %  {bar}".rstrip())


def _print_ideal(ideal: dict[str, Any]) -> None:
    """How far the weights section is from its ideal lengths, in percent of the file."""
    if "own_bytes" in ideal:
        above = f"{ideal['own_percent']:.1f} % of the file more"
        print(f"its own laws    {ideal['own_bytes']:,} bytes: the coder takes {above}")
        return
    above, saved = ideal["order_0_percent"], ideal["laplace_percent"]
    print(
        f"order-0 entropy {ideal['order_0_bytes']:,} bytes: the weights take {abs(above):.1f} % of the file "
        f"{'more' if above >= 0 else 'less'}"
    )
    print(
        f"Laplace/tensor  {ideal['laplace_bytes']:,} bytes: an arithmetic coder would "
        f"{'save' if saved >= 0 else 'lose'} {abs(saved):.1f} % of the file"
    )


def _verify(name: str, options: argparse.Namespace) -> int:
    limits = limits_of(options)
    data = read(name, limits)
    from inrcodec.decoding import conformance  # here, as `info` draws nothing

    with naming(name):
        verdict = conformance.verify(data, limits)
    by_default = verdict.default
    if options.json:
        counts = {"samples": by_default.samples, "differing": by_default.differing, "most_apart": by_default.most_apart}
        print(json.dumps({"file": name, "verdict": verdict.text, **counts}))
    else:
        print(
            f"{printable(name)}: {verdict.text}; by default {by_default.differing} of {by_default.samples} "
            f"samples differ from those in float64, by at most {by_default.most_apart}"
        )
    return BitstreamError.exit_code if verdict.text == "wrong" else 0
