"""Files of the frozen format, kept for ever: a changed golden file is a new version, never a new golden file.

golden.json was made by the second decoder (`tools/make/golden.py`); here the package has to agree with it.
"""

import hashlib
import json
import zlib
from importlib import resources
from typing import Any

import numpy as np
import pytest

from inrcodec import errors, families
from inrcodec.decoding import conformance, decoder
from inrcodec.families.grid import prior
from inrcodec.format import container
from inrcodec.format.metadata import Metadata
from tests.support import golden_cases, helpers, independent_decoder
from tests.support.helpers import ROOT

GOLDEN = ROOT / "tests" / "golden"
MANIFEST = json.loads((GOLDEN / "golden.json").read_text())
VALID: dict[str, dict[str, Any]] = MANIFEST["valid"]
ERROR: dict[str, dict[str, str]] = MANIFEST["error"]
METADATA: dict[str, dict[str, str]] = MANIFEST["metadata"]
DRAWN = [name for name, facts in VALID.items() if facts["crc_of_samples"]]
EVERY_BIT = ["small_raw", "small_aligned", "hash", "ancillary_many", "real_astronaut_rgb", "real_camera_l", "grid_zero"]
FROZEN_PRIORS = {3: "c98e799afb6502366db18fe7d8c02088a8158d8b7b67f76a40d30bcad5adb7a9"}
"""SHA-256 of each prior that files may name."""


def valid(name: str) -> bytes:
    return (GOLDEN / "valid" / f"{name}.inr").read_bytes()


def test_the_manifest_names_every_file() -> None:
    assert {path.stem for path in (GOLDEN / "valid").iterdir()} == set(VALID)
    assert {path.stem for path in (GOLDEN / "error").iterdir()} == set(ERROR)
    assert {path.stem for path in (GOLDEN / "metadata").iterdir()} == set(METADATA)
    assert len(VALID) >= 40
    assert len(ERROR) >= 60


def test_there_are_files_of_every_coder_and_of_every_number_of_channels() -> None:
    assert {facts["coder"] for facts in VALID.values()} - {None} == {0, 1}
    assert {facts["channels"] for facts in VALID.values()} == {1, 2, 3, 4}


def test_every_error_of_a_bitstream_has_a_file() -> None:
    wanted = {kind.__name__ for kind in errors.BitstreamError.__subclasses__()} | {"LimitError"}
    assert {facts["error"] for facts in ERROR.values()} == wanted


@pytest.mark.parametrize("name", VALID)
def test_a_valid_file_has_the_fields_of_the_manifest(name: str) -> None:
    data, facts = valid(name), VALID[name]
    assert hashlib.sha256(data).hexdigest() == facts["sha256"]
    model = families.read(data)
    assert (model.height, model.width, model.network.channels) == (facts["height"], facts["width"], facts["channels"])
    said = json.loads(json.dumps(helpers.facts_of(model)))
    assert said == {"dims": facts["dims"], "codes": facts["codes"], "grid": facts.get("grid")}
    assert (model.f32_safe, model.content_hash) == (facts["f32_safe"], facts["content_hash"])
    symbols = helpers.flat_symbols(model).astype("<i4").tobytes()
    assert hashlib.sha256(symbols).hexdigest() == facts["symbols_sha256"]
    assert (
        sorted(key for key, _ in container.parse(data, families.FAMILIES).sections if key >= 0x80) == facts["ancillary"]
    )


@pytest.mark.parametrize("name", VALID)
def test_a_valid_file_is_written_again_as_it_was(name: str) -> None:
    assert container.serialise(container.parse(valid(name), families.FAMILIES)) == valid(name)


@pytest.mark.parametrize("name", DRAWN)
def test_a_valid_file_is_drawn_to_the_samples_of_the_manifest(name: str) -> None:
    """In float64. Another machine's sine may round one sample in a million otherwise: then this says which file."""
    height, width = VALID[name]["height"], VALID[name]["width"]
    drawn = [decoder.decode(valid(name), (k * height, k * width), exact=True) for k in (1, 2)]
    assert [zlib.crc32(picture.tobytes()) for picture in drawn] == VALID[name]["crc_of_samples"]


@pytest.mark.parametrize("name", [name for name in DRAWN if VALID[name]["content_hash"] is not None])
def test_a_hash_holds(name: str) -> None:
    assert conformance.verify(valid(name)).text in ("exact", "within class M")


@pytest.mark.parametrize("name", DRAWN)
def test_the_second_decoder_draws_what_it_drew(name: str) -> None:
    drawn = independent_decoder.draw(independent_decoder.read(valid(name)))
    assert zlib.crc32(drawn.tobytes()) == VALID[name]["crc_of_samples"][0]


@pytest.mark.parametrize("name", ERROR)
def test_a_bad_file_raises_exactly_its_error_and_says_where(name: str) -> None:
    with pytest.raises(errors.InrError) as refusal:
        families.read((GOLDEN / "error" / f"{name}.inr").read_bytes())
    assert (type(refusal.value).__name__, ERROR[name]["says"] in str(refusal.value)) == (ERROR[name]["error"], True)
    assert len(str(refusal.value)) <= 300


@pytest.mark.parametrize("name", [name for name in ERROR if ERROR[name]["error"] != "LimitError"])
def test_the_second_decoder_refuses_it_too(name: str) -> None:
    with pytest.raises(independent_decoder.Invalid):
        independent_decoder.read((GOLDEN / "error" / f"{name}.inr").read_bytes())


@pytest.mark.parametrize("name", METADATA)
def test_bad_metadata_raises_exactly_its_error_and_spoils_no_picture(name: str) -> None:
    data = (GOLDEN / "metadata" / f"{name}.inr").read_bytes()
    with pytest.raises(errors.InrError) as refusal:
        families.metadata_of(data)
    assert (type(refusal.value).__name__, METADATA[name]["says"] in str(refusal.value)) == (
        METADATA[name]["error"],
        True,
    )
    assert np.array_equal(decoder.decode(data), decoder.decode(valid("small_raw")))
    spec = independent_decoder.read(data)
    if METADATA[name]["error"] != "LimitError":
        with pytest.raises(independent_decoder.Invalid):
            independent_decoder.block(spec, 0x81)


@pytest.mark.parametrize("kind", ["icc", "exif", "xmp"])
@pytest.mark.parametrize(("form", "block"), [("stored", b"a block"), ("compressed", b"block")])
def test_metadata_is_read(kind: str, form: str, block: bytes) -> None:
    assert families.metadata_of(valid(f"{kind}_{form}")) == Metadata(**{kind: block})


@pytest.mark.parametrize("name", EVERY_BIT)
def test_every_proper_prefix_is_truncated(name: str) -> None:
    data = valid(name)
    for length in range(len(data)):
        with pytest.raises(errors.TruncatedError):
            families.read(data[:length])


@pytest.mark.parametrize("name", EVERY_BIT)
def test_every_single_bit_flip_is_refused(name: str) -> None:
    """Behind total_length by the checksum; before, by the field that it hits."""
    data = valid(name)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(errors.ChecksumError if bit >= 8 * 8 else errors.BitstreamError):
            families.read(bytes(flipped))


def test_the_writer_makes_the_golden_bytes() -> None:
    """A file of coder 0 has no zstd frame in it: what is pinned here is this package's writer, not a libzstd."""
    assert families.write(helpers.small_model()) == valid("small_raw")


def test_what_is_built_by_hand_is_what_is_kept() -> None:
    for case in golden_cases.valid():
        if not case.name.startswith("random"):  # NumPy may change its generators
            assert valid(case.name) == case.data
    for kind, cases in (("error", golden_cases.bad()), ("metadata", golden_cases.bad_metadata())):
        for bad in cases:
            assert (GOLDEN / kind / f"{bad.name}.inr").read_bytes() == bad.data


@pytest.mark.parametrize("number", prior.PRIORS)
def test_a_prior_never_changes(number: int) -> None:
    data = resources.files("inrcodec.families.grid").joinpath(prior.PRIORS[number]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == FROZEN_PRIORS[number]


def test_a_valid_file_may_be_drawn_small_whatever_its_size() -> None:
    assert np.array(decoder.decode(valid("longest_side"), (1, 8))).shape == (1, 8, 3)
