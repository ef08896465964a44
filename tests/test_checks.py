"""Options of a wrong type are refused by name, whatever they are options of."""

import pickle
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import inrcodec
from inrcodec.errors import InputImageError, RequestError, check_type
from inrcodec.pictures.load import to_array
from tests.support.helpers import ROOT
from tests.support.pictures import waves

DATA = (ROOT / "sample_data" / "astronaut.inr").read_bytes()
NONSENSE = ["high", None, True, 2.5, [1], {}, object(), np.zeros(3), b"x"]


def nonsense_for(hint: object) -> list[object]:
    """What is of another type than a field."""
    fits = {"None": type(None), "float": float, "str": str, "bytes": bytes}
    fitting = tuple(kind for name, kind in fits.items() if name in str(hint) and "tuple" not in str(hint))
    return [value for value in NONSENSE if not isinstance(value, fitting)]


CASES = [
    pytest.param(kind, field.name, value, id=f"{field.name}-{type(value).__name__}")
    for kind in (inrcodec.EncoderConfig, inrcodec.DecodeLimits, inrcodec.Metadata)
    for field in fields(kind)
    for value in nonsense_for(get_type_hints(kind)[field.name])
]


@pytest.mark.parametrize(("kind", "name", "value"), CASES)
def test_an_option_of_another_type_is_refused_by_name(kind: type, name: str, value: object) -> None:
    with pytest.raises(RequestError, match=rf"^(limit |metadata: )?{name}: .* is not "):
        kind(**{name: value})


@pytest.mark.parametrize(
    "options",
    [{"quality": np.int64(50)}, {"bpp": 1}, {"bpp": np.float32(0.5)}, {"size": np.uint16(900)}, {"psnr": 30},
     {"metadata": ("icc", "xmp")}, {"metadata": ()}, {"time_limit": 5}, {"prune": 0}],
)  # fmt: skip
def test_numbers_of_numpy_and_whole_ones_are_numbers(options: dict[str, object]) -> None:
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in options.items()}
    config = inrcodec.EncoderConfig(**options)  # type: ignore[arg-type]
    assert repr(config) == repr(inrcodec.EncoderConfig(**plain))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "name"),
    [(lambda: inrcodec.decode(DATA, size="big"), "size"), (lambda: inrcodec.decode(DATA, size=5), "size"),
     (lambda: inrcodec.decode(DATA, size=(2, 2, 3)), "size"), (lambda: inrcodec.decode(DATA, size=(2.0, 2)), "size"),
     (lambda: inrcodec.decode(DATA, depth=None), "depth"), (lambda: inrcodec.decode(DATA, depth=[8]), "depth"),
     (lambda: inrcodec.decode(DATA, region=(0, 0, 5, 5)), "region"), (lambda: inrcodec.Region(0, 0, 5.0, 5), "region"),
     (lambda: inrcodec.decode(DATA, device=None), "device"), (lambda: inrcodec.open(DATA, device=0), "device"),
     (lambda: inrcodec.open(DATA).render(supersampling=None), "supersampling"),
     (lambda: inrcodec.open(DATA, limits=None), "limits"), (lambda: inrcodec.decode("photo.inr"), "data"),
     (lambda: inrcodec.open(None), "data"), (lambda: inrcodec.read_header(Path("photo.inr")), "data"),
     (lambda: inrcodec.verify("photo.inr"), "data"), (lambda: inrcodec.metadata_of(5), "data"),
     (lambda: inrcodec.as_module(DATA, None), "device"), (lambda: inrcodec.encode(waves(4, 4), None), "config"),
     (lambda: inrcodec.encode(waves(4, 4), "fast"), "config"), (lambda: inrcodec.load("photo.png", "first"), "frame")],
)  # fmt: skip
def test_an_argument_of_another_type_is_refused_by_name(call: object, name: str) -> None:
    with pytest.raises(RequestError, match=rf"^{name}\b.* is not "):
        call()  # type: ignore[operator]


@pytest.mark.parametrize("data", [bytearray(DATA), memoryview(DATA)])
def test_bytes_of_any_kind_are_bytes(data: object) -> None:
    assert inrcodec.open(data).width == inrcodec.open(DATA).width  # type: ignore[arg-type]


NO_PICTURES = {
    "with gradient": torch.zeros(4, 4, requires_grad=True),
    "bfloat16": torch.zeros(4, 4, dtype=torch.bfloat16),
    "of no device": torch.zeros(4, 4, device="meta"),
    "ragged": [[1, 2], [3]],
}


@pytest.mark.parametrize("picture", NO_PICTURES.values(), ids=NO_PICTURES)
def test_what_is_no_array_is_refused_as_a_request(picture: object) -> None:
    with pytest.raises(RequestError, match=r"^the picture: a (Tensor|list) that is no array"):
        inrcodec.encode(picture)  # type: ignore[arg-type]


@pytest.mark.parametrize("picture", [None, 5, "", b"x", {}, [1, 2], ["a"], torch.zeros(4, 4)])
def test_what_is_no_picture_is_refused_as_a_picture(picture: object) -> None:
    with pytest.raises(InputImageError):
        inrcodec.encode(picture)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "codes", [waves(4, 5)[..., 0], waves(4, 5).astype(np.uint16), waves(4, 5) / 255, np.zeros((4, 5, 6), np.uint8)]
)
def test_a_source_of_other_codes_than_load_makes_is_refused(codes: np.ndarray) -> None:
    with pytest.raises(InputImageError, match=r"uint8 \(H, W, C\) expected|C = 1 .. 4 expected"):
        inrcodec.encode(inrcodec.Source(codes))


@pytest.mark.parametrize("parts", [([[1]], inrcodec.Metadata()), (waves(4, 5), b"icc"), (waves(4, 5), None)])
def test_a_source_of_other_parts_is_refused(parts: tuple[object, object]) -> None:
    with pytest.raises(RequestError, match=r"^source: (codes|metadata): .* is not (ndarray|Metadata)$"):
        inrcodec.encode(inrcodec.Source(*parts))  # type: ignore[arg-type]


def test_a_tensor_of_codes_is_a_picture() -> None:
    np.testing.assert_array_equal(to_array(torch.from_numpy(waves(4, 5))), waves(4, 5))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hint", "name"),
    [(int, "a whole number"), (int | None, "a whole number or None"), (tuple[str, ...], "a tuple of strings"),
     (tuple[int, int] | None, "a tuple of 2 whole numbers or None"), (bytes, "bytes")],
)  # fmt: skip
def test_what_is_expected_is_named_in_words(hint: object, name: str) -> None:
    with pytest.raises(RequestError, match=f"^x: {{1: 2}} is not {name}$"):
        check_type("x", {1: 2}, hint)


class Alias:
    """What `type X = ..` makes, in Python from 3.12 on; NumPy's NDArray is one from 2.5 on."""

    def __init__(self, value: object) -> None:
        self.__value__ = value


@pytest.mark.parametrize("alias", [Alias(NDArray[np.uint8]), Alias(Alias(np.ndarray))])
def test_an_alias_is_what_it_stands_for(alias: Alias) -> None:
    check_type("x", np.zeros(3, np.uint8), alias)
    with pytest.raises(RequestError, match=r"^x: 'high' is not ndarray$"):
        check_type("x", "high", alias)


def test_a_value_of_many_lines_is_shown_in_part_of_one() -> None:
    with pytest.raises(RequestError, match=r"^[^\n]{,120}$"):
        check_type("x", np.arange(9999).reshape(99, -1), int)


def test_a_picture_pickles() -> None:
    region = inrcodec.Region(8, 8, 20, 30)
    for exact in (False, True):
        picture = inrcodec.open(DATA, exact=exact, limits=inrcodec.DecodeLimits(max_side=600))
        other = pickle.loads(pickle.dumps(picture))
        np.testing.assert_array_equal(other.render((10, 15), region, 16), picture.render((10, 15), region, 16))
        with pytest.raises(inrcodec.LimitError):
            other.render((601, 5))
