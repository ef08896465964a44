"""A picture as a web page: one file, which holds the network and evaluates it on the screen, at any zoom.

The page is `web/page.html` with its style and scripts; nothing is fetched, and its Content-Security-Policy forbids it.
A fragment shader in WebGL2 draws, or JavaScript where there is none. What of the network travels, and the scripts that
know such networks, are for its family to say: `Network.page_parts`.
"""

import base64
import hashlib
import html
import importlib.resources
import json
from string import Template
from typing import Any

from inrcodec import families, pixels
from inrcodec.compute.backends import JET_WORK, within_memory
from inrcodec.decoding import describe
from inrcodec.decoding.decoder import Picture, open_bytes
from inrcodec.decoding.derivatives import DERIVATIVES, shown_values, white_level
from inrcodec.errors import RequestError, printable
from inrcodec.families import StoredPicture
from inrcodec.format.limits import DEFAULT_LIMITS, DecodeLimits
from inrcodec.installed import __version__

_SCRIPTS = ("shade.js", "shader.js", "painters.js", "view.js", "input.js")
"""Those that all pages have, behind the network's own."""
_POINTS = 16_384
"""Most points at which derivatives are taken, to find what is to be shown white."""
_MACS = 2**33
"""Most multiplications for that."""


@within_memory()
def page(data: bytes, name: str, limits: DecodeLimits = DEFAULT_LIMITS, threads: int | None = None) -> bytes:
    """The bytes of an .inr file as an HTML page in UTF-8; `name` is its title.

    `threads` and errors as of `inrcodec.open`.
    """
    picture = open_bytes(data, limits=limits, threads=threads)
    title = html.escape(printable(name))
    script = _script(picture)
    text = Template(_asset("page.html")).substitute(
        title=title,
        version=__version__,
        style=_asset("style.css"),
        facts=_facts(picture.stored, data, limits),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return text.encode()


def _asset(name: str) -> str:
    return importlib.resources.files("inrcodec.export").joinpath("web", name).read_text("utf-8")


def _script(picture: Picture) -> str:
    """The network, then all that draws it, in a scope of its own."""
    stored = picture.stored
    network = stored.network.page_parts()
    if network is None:
        raise RequestError(
            f"a page draws grids or layers of sines, and this is a {stored.network.facts().name}: decode it"
        )
    size = {"width": stored.width, "height": stored.height, "channels": stored.network.channels}
    data = json.dumps({**size, **network.data, "white": whites(picture)}, separators=(",", ":"))
    parts = "\n".join(_asset(name) for name in (*network.scripts, *_SCRIPTS))
    return f'"use strict";\n(() => {{\nconst PICTURE = {data};\n{parts}}})();\n'


def whites(picture: Picture) -> dict[str, float]:
    """The derivatives that are shown white, from the picture's pixels or some of them."""
    points = max(256, min(_POINTS, _MACS // (JET_WORK * picture.stored.network.macs)))
    index = pixels.spread(picture.height, picture.width, points)
    jet = picture.jet(pixels.pixel_points(picture.height, picture.width, index))
    return {kind: white_level(shown_values(kind, getattr(jet, kind))) for kind in DERIVATIVES}


def _numbers(facts: dict[str, Any]) -> str:
    latents = f" and {facts['latents']:,} latents" if facts["latents"] else ""
    return f"{facts['weights']:,}{latents}, {facts['bits_per_weight']} bits each"


def _facts(stored: StoredPicture, data: bytes, limits: DecodeLimits) -> str:
    """Rows of the page's table."""
    facts = describe.headline(stored, len(data))
    rows = {
        "picture": f"{facts['width']} x {facts['height']}, {describe.CHANNELS[stored.network.channels]}",
        "file": f"{facts['bytes']:,} bytes, {facts['bpp']} bits per pixel",
        "network": facts["network"],
        "weights": _numbers(facts),
    }
    if families.metadata_of(data, limits).icc:
        rows["colours"] = "its ICC profile is not applied on this page"
    return "".join(f"<tr><td>{fact}</td><td>{html.escape(str(value))}</td></tr>\n" for fact, value in rows.items())
