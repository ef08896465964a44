"""What a colour profile says decides whether it is kept, not what it is called."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from inrcodec.format import icc
from inrcodec.pictures.load import _profile_of_png, load, load_bytes
from tests.support.pictures import waves

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
ADOBE = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)


def srgb_linear(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def table(points: int, curve: object = srgb_linear) -> bytes:
    samples = np.rint(65535 * curve(np.linspace(0, 1, points))).astype(">u2")  # type: ignore[operator]
    return b"curv" + bytes(4) + struct.pack(">I", points) + samples.tobytes()


def para(kind: int, *numbers: float) -> bytes:
    return b"para" + bytes(4) + struct.pack(">2H", kind, 0) + np.rint(np.array(numbers) * 65536).astype(">i4").tobytes()


SRGB_PARA = para(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def profile(
    curve: bytes, chromaticity: tuple[float, ...] = icc.SRGB_CHROMATICITY, grey: bool = False, **more: bytes
) -> bytes:
    """One of any curve, which says "sRGB" in its texts."""
    tags = icc._tags(icc.made_profile(1.0, chromaticity, grey))
    tags = {name: curve if name.endswith(b"TRC") else data for name, data in tags.items()}
    tags[b"cprt"] = b"text" + bytes(4) + b"sRGB IEC61966-2.1, sRGB built-in\0"
    return icc._profile(b"GRAY" if grey else b"RGB ", tags | {name.encode(): data for name, data in more.items()})


SAME = {
    "of Little CMS": SRGB,
    "parametric": profile(SRGB_PARA),
    "with all numbers": profile(para(4, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045, 0, 0)),
    "sampled finely": profile(table(1024)),
    "sampled at 4096": profile(table(4096)),
    "sampled coarsely": profile(table(64)),
    "white not adapted": profile(SRGB_PARA, wtpt=icc._xyz_tag(icc._D65)),
    "grey": profile(SRGB_PARA, grey=True),
    "grey, sampled": profile(table(1024), grey=True),
}
OTHER = {
    "linear": profile(para(0, 1.0)),
    "linear, no table": profile(b"curv" + bytes(8)),
    "gamma 1.8": profile(b"curv" + bytes(4) + struct.pack(">IH", 1, 461)),
    "gamma 2.2": profile(para(0, 2.2)),
    "gamma 2.2 sampled": profile(table(1024, lambda x: x**2.2)),
    "Display P3": profile(SRGB_PARA, P3),
    "Adobe RGB": profile(SRGB_PARA, ADOBE),
    "white of tungsten": profile(SRGB_PARA, wtpt=icc._xyz_tag(np.array([1.0985, 1.0, 0.3558]))),
    "one curve of three": profile(SRGB_PARA, gTRC=para(0, 1.0)),
    "a table too": profile(SRGB_PARA, A2B0=b"mft2" + bytes(99)),
    "grey, linear": profile(para(0, 1.0), grey=True),
    "curve of an unknown kind": profile(para(9, 1.0)),
    "curve cut short": profile(table(64)[:-1]),
    "function cut short": profile(SRGB_PARA[:-4]),
    "not a number": profile(para(2, 2.0, 0.0, 1.0, 1.0)),
}


@pytest.mark.parametrize("block", SAME.values(), ids=SAME)
def test_what_is_srgb_is_left_out(block: bytes) -> None:
    assert icc.is_srgb(block)


@pytest.mark.parametrize("block", OTHER.values(), ids=OTHER)
def test_what_only_says_srgb_is_kept(block: bytes) -> None:
    assert b"sRGB IEC61966-2.1" in block
    picture = Image.fromarray(waves(4, 5, 1 if block[16:20] == b"GRAY" else 3).squeeze())
    picture.info["icc_profile"] = block
    assert load(picture).metadata.icc == block


@given(st.binary(max_size=400), st.integers(0, 2000), st.integers(0, 255))
def test_no_bytes_do_any_harm(garbage: bytes, at: int, byte: int) -> None:
    icc.is_srgb(bytes(16) + b"RGB " + bytes(108) + garbage)
    for block in (SRGB, SAME["sampled coarsely"], SAME["grey"]):
        icc.is_srgb(block[: at % len(block)] + bytes([byte]) + block[at % len(block) + 1 :])
        icc.is_srgb(block[: at % len(block)])


def png(chunks: dict[bytes, bytes], channels: int = 3) -> bytes:
    info, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
    for name, payload in chunks.items():
        info.add(name, payload)
    Image.fromarray(waves(4, 5, channels).squeeze()).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def gama(gamma: float) -> bytes:
    return struct.pack(">I", round(100_000 * gamma))


def chrm(chromaticity: tuple[float, ...]) -> bytes:
    return struct.pack(">8I", *(round(100_000 * value) for value in chromaticity))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("gamma", [1.0, 0.55556, 0.5])
def test_a_gamma_without_a_profile_is_kept_as_one(channels: int, gamma: float) -> None:
    block = load_bytes(png({b"gAMA": gama(gamma)}, channels), "a").metadata.icc
    made = ImageCms.ImageCmsProfile(io.BytesIO(block)).profile
    assert made.xcolor_space == ("GRAY" if channels < 3 else "RGB ")
    curve = icc._tags(block)[b"kTRC" if channels < 3 else b"gTRC"]
    assert struct.unpack(">IH", curve[8:14])[1] / 256 == pytest.approx(1 / gamma, abs=1 / 512)


def test_primaries_without_a_profile_are_kept_as_one() -> None:
    block = load_bytes(png({b"gAMA": gama(0.45455), b"cHRM": chrm(P3)}), "a").metadata.icc
    made = ImageCms.ImageCmsProfile(io.BytesIO(block)).profile
    standard = [(0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841)]  # Display P3.icc, Apple
    for found, expected in zip((made.red_colorant, made.green_colorant, made.blue_colorant), standard, strict=True):
        assert found[0] == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize(
    "chunks",
    [{}, {b"gAMA": gama(0.45455)}, {b"gAMA": gama(0.45455), b"cHRM": chrm(icc.SRGB_CHROMATICITY)},
     {b"gAMA": gama(1), b"sRGB": b"\0"}],
)  # fmt: skip
def test_chunks_that_say_srgb_make_no_profile(chunks: dict[bytes, bytes]) -> None:
    source = load_bytes(png(chunks), "a")
    assert (source.metadata.icc, source.notes) == (b"", ())


@pytest.mark.parametrize(
    "chunks",
    [{b"gAMA": gama(0)}, {b"cHRM": bytes(32)}, {b"cHRM": chrm((0.3, 0.3) * 4)}, {b"cHRM": chrm((40_000,) * 8)}],
)
def test_chunks_that_make_no_sense_are_said_to(chunks: dict[bytes, bytes]) -> None:
    source = load_bytes(png(chunks), "a.png")
    assert source.metadata.icc == b""
    assert source.notes[0].startswith("a.png: its gAMA and cHRM chunks make no sense (")


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 2**32 - 1), min_size=8, max_size=8))
def test_no_chunks_do_any_harm(gamma: int, chromaticity: list[int]) -> None:
    _profile_of_png({"gamma": gamma / 1e5, "chromaticity": tuple(c / 1e5 for c in chromaticity)}, 3)
