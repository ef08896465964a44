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
    from inrcodec.backends import Samples as Samples
    from inrcodec.backends import Stopped as Stopped
    from inrcodec.bitstream import Header as Header
    from inrcodec.bitstream import metadata_of as metadata_of
    from inrcodec.bitstream import read_header as read_header
    from inrcodec.compress import Stage as Stage
    from inrcodec.config import EncoderConfig as EncoderConfig
    from inrcodec.conformance import Agreement as Agreement
    from inrcodec.conformance import Verdict as Verdict
    from inrcodec.conformance import verify as verify
    from inrcodec.decoder import Picture as Picture
    from inrcodec.decoder import Region as Region
    from inrcodec.decoder import decode as decode
    from inrcodec.decoder import open_bytes as open  # noqa: F401
    from inrcodec.encoder import Encoded as Encoded
    from inrcodec.encoder import encode as encode
    from inrcodec.encoder import encode_with_report as encode_with_report
    from inrcodec.errors import BitstreamError as BitstreamError
    from inrcodec.errors import CheckpointError as CheckpointError
    from inrcodec.errors import ChecksumError as ChecksumError
    from inrcodec.errors import CorruptError as CorruptError
    from inrcodec.errors import EncodeError as EncodeError
    from inrcodec.errors import InputImageError as InputImageError
    from inrcodec.errors import InrError as InrError
    from inrcodec.errors import LimitError as LimitError
    from inrcodec.errors import NotInrError as NotInrError
    from inrcodec.errors import NotInstalledError as NotInstalledError
    from inrcodec.errors import OutputError as OutputError
    from inrcodec.errors import RequestError as RequestError
    from inrcodec.errors import ResourceError as ResourceError
    from inrcodec.errors import StoppedError as StoppedError
    from inrcodec.errors import TargetError as TargetError
    from inrcodec.errors import TimeLimitError as TimeLimitError
    from inrcodec.errors import TruncatedError as TruncatedError
    from inrcodec.errors import UnsupportedError as UnsupportedError
    from inrcodec.errors import VerifyError as VerifyError
    from inrcodec.glsl import shader as glsl_shader  # noqa: F401
    from inrcodec.images import ImageLike as ImageLike
    from inrcodec.images import Source as Source
    from inrcodec.images import load as load
    from inrcodec.limits import DecodeLimits as DecodeLimits
    from inrcodec.metadata import Metadata as Metadata
    from inrcodec.modules import PictureModule as PictureModule
    from inrcodec.modules import as_module as as_module
    from inrcodec.pillow_plugin import register as register_pillow  # noqa: F401
    from inrcodec.pixels import Codes as Codes
    from inrcodec.progress import Estimate as Estimate
    from inrcodec.progress import Monitor as Monitor
    from inrcodec.progress import Progress as Progress
    from inrcodec.progress import Report as Report
    from inrcodec.siren import Jet as Jet
    from inrcodec.siren import SirenArch as SirenArch
    from inrcodec.state import Keeper as Keeper
    from inrcodec.state import State as State
    from inrcodec.viewer import page as html_page  # noqa: F401

__version__ = "0.2.0"

_HOMES = {
    "Agreement": ("conformance", "Agreement"),
    "BitstreamError": ("errors", "BitstreamError"),
    "CheckpointError": ("errors", "CheckpointError"),
    "ChecksumError": ("errors", "ChecksumError"),
    "Codes": ("pixels", "Codes"),
    "CorruptError": ("errors", "CorruptError"),
    "DecodeLimits": ("limits", "DecodeLimits"),
    "EncodeError": ("errors", "EncodeError"),
    "Encoded": ("encoder", "Encoded"),
    "EncoderConfig": ("config", "EncoderConfig"),
    "Estimate": ("progress", "Estimate"),
    "Header": ("bitstream", "Header"),
    "ImageLike": ("images", "ImageLike"),
    "InputImageError": ("errors", "InputImageError"),
    "InrError": ("errors", "InrError"),
    "Jet": ("siren", "Jet"),
    "Keeper": ("state", "Keeper"),
    "LimitError": ("errors", "LimitError"),
    "Metadata": ("metadata", "Metadata"),
    "Monitor": ("progress", "Monitor"),
    "NotInrError": ("errors", "NotInrError"),
    "NotInstalledError": ("errors", "NotInstalledError"),
    "OutputError": ("errors", "OutputError"),
    "Picture": ("decoder", "Picture"),
    "PictureModule": ("modules", "PictureModule"),
    "Progress": ("progress", "Progress"),
    "Region": ("decoder", "Region"),
    "Report": ("progress", "Report"),
    "RequestError": ("errors", "RequestError"),
    "ResourceError": ("errors", "ResourceError"),
    "Samples": ("backends", "Samples"),
    "SirenArch": ("siren", "SirenArch"),
    "Source": ("images", "Source"),
    "Stage": ("compress", "Stage"),
    "State": ("state", "State"),
    "Stopped": ("backends", "Stopped"),
    "StoppedError": ("errors", "StoppedError"),
    "TargetError": ("errors", "TargetError"),
    "TimeLimitError": ("errors", "TimeLimitError"),
    "TruncatedError": ("errors", "TruncatedError"),
    "UnsupportedError": ("errors", "UnsupportedError"),
    "Verdict": ("conformance", "Verdict"),
    "VerifyError": ("errors", "VerifyError"),
    "as_module": ("modules", "as_module"),
    "decode": ("decoder", "decode"),
    "encode": ("encoder", "encode"),
    "encode_with_report": ("encoder", "encode_with_report"),
    "glsl_shader": ("glsl", "shader"),
    "html_page": ("viewer", "page"),
    "load": ("images", "load"),
    "metadata_of": ("bitstream", "metadata_of"),
    "open": ("decoder", "open_bytes"),
    "read_header": ("bitstream", "read_header"),
    "register_pillow": ("pillow_plugin", "register"),
    "verify": ("conformance", "verify"),
}

_NEEDS = {"encoder": ("torch", "torchao"), "compress": ("torch",), "modules": ("torch",)}
"""Packages that some of these modules need beyond the decoder's."""

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'inrcodec' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    if module in _NEEDS:
        from inrcodec import extras

        extras.require(f"inrcodec.{name}", *_NEEDS[module])
    return getattr(importlib.import_module(f"inrcodec.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
