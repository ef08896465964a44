"""inrcodec: pictures stored as the weights of small sine networks.

    data = inrcodec.encode(image)                   # array, PIL image or path -> bytes
    back = inrcodec.decode(data, size=(h, w))       # -> uint8 array
    pic = inrcodec.open(data); pic.sample(coords)   # any (N, 2) coordinates -> float colours
    inrcodec.register_pillow()                      # PIL.Image.open and save know .inr files from then on

Names are resolved on first use: importing the package, or decoding, loads neither torch nor torchao.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inrcodec.bitstream import metadata_of as metadata_of
    from inrcodec.bitstream import read_header as read_header
    from inrcodec.config import EncoderConfig as EncoderConfig
    from inrcodec.conformance import Verdict as Verdict
    from inrcodec.conformance import verify as verify
    from inrcodec.decoder import Picture as Picture
    from inrcodec.decoder import Region as Region
    from inrcodec.decoder import decode as decode
    from inrcodec.decoder import open_bytes as open  # noqa: F401
    from inrcodec.encoder import encode as encode
    from inrcodec.encoder import encode_with_report as encode_with_report
    from inrcodec.errors import BitstreamError as BitstreamError
    from inrcodec.errors import InrError as InrError
    from inrcodec.errors import LimitError as LimitError
    from inrcodec.images import Source as Source
    from inrcodec.images import load as load
    from inrcodec.limits import DecodeLimits as DecodeLimits
    from inrcodec.metadata import Metadata as Metadata
    from inrcodec.modules import PictureModule as PictureModule
    from inrcodec.modules import as_module as as_module
    from inrcodec.pillow_plugin import register as register_pillow  # noqa: F401
    from inrcodec.progress import Estimate as Estimate
    from inrcodec.progress import Monitor as Monitor
    from inrcodec.progress import Progress as Progress

__version__ = "0.2.0"

_HOMES = {
    "BitstreamError": ("errors", "BitstreamError"),
    "DecodeLimits": ("limits", "DecodeLimits"),
    "EncoderConfig": ("config", "EncoderConfig"),
    "Estimate": ("progress", "Estimate"),
    "InrError": ("errors", "InrError"),
    "LimitError": ("errors", "LimitError"),
    "Metadata": ("metadata", "Metadata"),
    "Monitor": ("progress", "Monitor"),
    "Picture": ("decoder", "Picture"),
    "PictureModule": ("modules", "PictureModule"),
    "Progress": ("progress", "Progress"),
    "Region": ("decoder", "Region"),
    "Source": ("images", "Source"),
    "Verdict": ("conformance", "Verdict"),
    "as_module": ("modules", "as_module"),
    "decode": ("decoder", "decode"),
    "encode": ("encoder", "encode"),
    "encode_with_report": ("encoder", "encode_with_report"),
    "load": ("images", "load"),
    "metadata_of": ("bitstream", "metadata_of"),
    "open": ("decoder", "open_bytes"),
    "read_header": ("bitstream", "read_header"),
    "register_pillow": ("pillow_plugin", "register"),
    "verify": ("conformance", "verify"),
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'inrcodec' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(f"inrcodec.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
