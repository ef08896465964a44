"""inrcodec: pictures stored as the weights of small sine networks.

    data = inrcodec.encode(image)                   # array, PIL image or path -> bytes
    back = inrcodec.decode(data, size=(h, w))       # -> uint8 array
    pic = inrcodec.open(data); pic.sample(coords)   # any (N, 2) coordinates -> float colours
    inrcodec.register_pillow()                      # PIL.Image.open and save know .inr files from then on

Names are resolved on first use: importing the package, or decoding, loads neither torch nor torchao.
"""

import importlib
from typing import TYPE_CHECKING, Any

from inrcodec.installed import __version__ as __version__

if TYPE_CHECKING:
    from inrcodec.compute.backends import Samples as Samples
    from inrcodec.compute.backends import Stopped as Stopped
    from inrcodec.compute.sine import Jet as Jet
    from inrcodec.decoding.conformance import Agreement as Agreement
    from inrcodec.decoding.conformance import Verdict as Verdict
    from inrcodec.decoding.conformance import verify as verify
    from inrcodec.decoding.decoder import Picture as Picture
    from inrcodec.decoding.decoder import Region as Region
    from inrcodec.decoding.decoder import decode as decode
    from inrcodec.decoding.decoder import open_bytes as open  # noqa: F401
    from inrcodec.decoding.torch_module import PictureModule as PictureModule
    from inrcodec.decoding.torch_module import as_module as as_module
    from inrcodec.encoding.config import EncoderConfig as EncoderConfig
    from inrcodec.encoding.encoder import Encoded as Encoded
    from inrcodec.encoding.encoder import encode as encode
    from inrcodec.encoding.encoder import encode_with_report as encode_with_report
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
    from inrcodec.export.glsl import shader as glsl_shader  # noqa: F401
    from inrcodec.export.page import page as html_page  # noqa: F401
    from inrcodec.families import Architecture as Architecture
    from inrcodec.families import Header as Header
    from inrcodec.families import metadata_of as metadata_of
    from inrcodec.families import read_header as read_header
    from inrcodec.families.siren.network import SirenArch as SirenArch
    from inrcodec.fitting.state import Keeper as Keeper
    from inrcodec.fitting.state import State as State
    from inrcodec.format.limits import DecodeLimits as DecodeLimits
    from inrcodec.format.metadata import Metadata as Metadata
    from inrcodec.pictures.load import ImageLike as ImageLike
    from inrcodec.pictures.load import Source as Source
    from inrcodec.pictures.load import load as load
    from inrcodec.pillow_plugin import register as register_pillow  # noqa: F401
    from inrcodec.pixels import Codes as Codes
    from inrcodec.progress import Estimate as Estimate
    from inrcodec.progress import Monitor as Monitor
    from inrcodec.progress import Progress as Progress
    from inrcodec.progress import Report as Report
    from inrcodec.progress import Stage as Stage

_HOMES = {
    "Architecture": ("families", "Architecture"),
    "Agreement": ("decoding.conformance", "Agreement"),
    "BitstreamError": ("errors", "BitstreamError"),
    "CheckpointError": ("errors", "CheckpointError"),
    "ChecksumError": ("errors", "ChecksumError"),
    "Codes": ("pixels", "Codes"),
    "CorruptError": ("errors", "CorruptError"),
    "DecodeLimits": ("format.limits", "DecodeLimits"),
    "EncodeError": ("errors", "EncodeError"),
    "Encoded": ("encoding.encoder", "Encoded"),
    "EncoderConfig": ("encoding.config", "EncoderConfig"),
    "Estimate": ("progress", "Estimate"),
    "Header": ("families", "Header"),
    "ImageLike": ("pictures.load", "ImageLike"),
    "InputImageError": ("errors", "InputImageError"),
    "InrError": ("errors", "InrError"),
    "Jet": ("compute.sine", "Jet"),
    "Keeper": ("fitting.state", "Keeper"),
    "LimitError": ("errors", "LimitError"),
    "Metadata": ("format.metadata", "Metadata"),
    "Monitor": ("progress", "Monitor"),
    "NotInrError": ("errors", "NotInrError"),
    "NotInstalledError": ("errors", "NotInstalledError"),
    "OutputError": ("errors", "OutputError"),
    "Picture": ("decoding.decoder", "Picture"),
    "PictureModule": ("decoding.torch_module", "PictureModule"),
    "Progress": ("progress", "Progress"),
    "Region": ("decoding.decoder", "Region"),
    "Report": ("progress", "Report"),
    "RequestError": ("errors", "RequestError"),
    "ResourceError": ("errors", "ResourceError"),
    "Samples": ("compute.backends", "Samples"),
    "SirenArch": ("families.siren.network", "SirenArch"),
    "Source": ("pictures.load", "Source"),
    "Stage": ("progress", "Stage"),
    "State": ("fitting.state", "State"),
    "Stopped": ("compute.backends", "Stopped"),
    "StoppedError": ("errors", "StoppedError"),
    "TargetError": ("errors", "TargetError"),
    "TimeLimitError": ("errors", "TimeLimitError"),
    "TruncatedError": ("errors", "TruncatedError"),
    "UnsupportedError": ("errors", "UnsupportedError"),
    "Verdict": ("decoding.conformance", "Verdict"),
    "VerifyError": ("errors", "VerifyError"),
    "as_module": ("decoding.torch_module", "as_module"),
    "decode": ("decoding.decoder", "decode"),
    "encode": ("encoding.encoder", "encode"),
    "encode_with_report": ("encoding.encoder", "encode_with_report"),
    "glsl_shader": ("export.glsl", "shader"),
    "html_page": ("export.page", "page"),
    "load": ("pictures.load", "load"),
    "metadata_of": ("families", "metadata_of"),
    "open": ("decoding.decoder", "open_bytes"),
    "read_header": ("families", "read_header"),
    "register_pillow": ("pillow_plugin", "register"),
    "verify": ("decoding.conformance", "verify"),
}

_NEEDS = {
    "encoding.encoder": ("torch", "torchao"),
    "decoding.torch_module": ("torch",),
}  # fmt: skip
"""Packages that some of these modules need beyond the decoder's."""

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'inrcodec' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    if module in _NEEDS:
        from inrcodec import installed

        installed.require(f"inrcodec.{name}", *_NEEDS[module])
    return getattr(importlib.import_module(f"inrcodec.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
