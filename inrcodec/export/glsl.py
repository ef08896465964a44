"""A small picture as a function in GLSL, its weights written out: for Shadertoy, or for a shader of one's own.

The weights are written as symbols, small whole numbers, with each tensor's step as a factor: short, and exact.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from inrcodec import families
from inrcodec.errors import RequestError
from inrcodec.families.contract import SineLayer
from inrcodec.format.limits import DEFAULT_LIMITS, DecodeLimits
from inrcodec.installed import __version__

MOST_WEIGHTS = 8_192
"""Most weights of a network that is written out. Compilers of shaders take long over more, or refuse it."""

_TEMPLATE = """\
// {width} x {height} pixels as a function of {weights} weights, by inrcodec {version}. Paste it into a new Shadertoy.

// sin of a vector; large arguments are folded first, as GPUs are exact for small ones only
#define S(z) sin((z) - 6.28318531 * round((z) * 0.159154943))

// Colours 0 .. 1 and alpha at p = (x, y): the longer side spans -1 .. 1, y points down, pixels are square.
vec4 picture(vec2 p) {{
{body}
}}

void mainImage(out vec4 fragColor, in vec2 fragCoord) {{
    vec2 size = vec2({width}, {height}) / {longer}.0;
    vec2 scale = size / iResolution.xy;
    vec2 p = (2.0 * fragCoord - iResolution.xy) * max(scale.x, scale.y) * vec2(1, -1);
    vec4 colour = all(lessThan(abs(p), size)) ? picture(p) : vec4(0);
    fragColor = vec4(clamp(colour.rgb, 0.0, 1.0) * clamp(colour.a, 0.0, 1.0), 1);
}}
"""


def shader(data: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> str:
    """The picture in the bytes of an .inr file as the text of a shader, `vec4 picture(vec2 p)` and a `mainImage`.

    Raises RequestError for a network of too many weights, else errors as of `inrcodec.open`.
    """
    stored = families.read(data, limits)
    layers, facts = stored.network.sine_layers(), stored.network.facts()
    if layers is None:
        raise RequestError(f"a shader is written of layers of sines, and this is a {facts.name}: decode it")
    count = facts.weights
    if count > MOST_WEIGHTS:
        raise RequestError(
            f"shader: this network has {count:,} weights, and at most {MOST_WEIGHTS:,} are written out"
        ).cured_by("smaller network")
    return _TEMPLATE.format(
        width=stored.width, height=stored.height, longer=max(stored.width, stored.height),
        weights=count, version=__version__, body="\n".join(_body(layers)),
    )  # fmt: skip


def _body(network: Sequence[SineLayer]) -> Iterator[str]:
    layers = [
        (one.weight, one.bias, str(np.float32(one.weight_step)), str(np.float32(one.bias_step))) for one in network
    ]
    values = ["p.y", "p.x"]
    for layer, (weight, bias, *scale) in enumerate(layers[:-1]):
        names = [f"{chr(97 + layer % 26)}{layer // 26 or ''}_{group}" for group in range(-(-len(bias) // 4))]
        for name, rows, biases in zip(names, _fours(weight), _fours(bias[:, None]), strict=True):
            yield f"    vec4 {name} = S({_sum(rows, biases, scale, values)});"
        values = names
    weight, bias, *scale = layers[-1]
    yield f"    vec4 v = 0.5 + 0.5 * ({_sum(_fours(weight)[0], _fours(bias[:, None])[0], scale, values)});"
    yield f"    return {('vec4(v.rrr, 1)', 'vec4(v.rrr, v.g)', 'vec4(v.rgb, 1)', 'v')[len(bias) - 1]};"


def _fours(matrix: NDArray[np.int32]) -> NDArray[np.int32]:
    """Four rows at a time, the last filled up with zeros: (groups, 4, columns)."""
    return np.pad(matrix, ((0, -len(matrix) % 4), (0, 0))).reshape(-1, 4, matrix.shape[1])


def _sum(rows: NDArray[np.int32], biases: NDArray[np.int32], scale: Sequence[str], values: Sequence[str]) -> str:
    """rows times values plus biases; the first layer's values are two numbers, those of others vectors of four."""
    width = 1 if values[0] == "p.y" else 4
    columns = np.pad(rows, ((0, 0), (0, width * len(values) - rows.shape[1])))
    parts = np.split(columns, len(values), axis=1)
    terms = [f"{_call(part)} * {value}" for value, part in zip(values, parts, strict=True) if part.any()]
    return f"{scale[0]} * ({' + '.join(terms) or 'vec4(0)'}) + {scale[1]} * {_call(biases)}"


def _call(symbols: NDArray[np.int32]) -> str:
    """(4, 1) as a vector or (4, 4) as a matrix, column by column as GLSL has them."""
    kind = "mat4" if symbols.shape[1] == 4 else "vec4"
    return f"{kind}({','.join(map(str, symbols.T.reshape(-1)))})"
