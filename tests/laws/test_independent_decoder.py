"""Two decoders, one specification: whatever the generator makes, both read and draw alike."""

import contextlib
import functools
import re

import numpy as np
import pytest

from inrcodec import families
from inrcodec.decoding import decoder
from inrcodec.errors import BitstreamError, LimitError
from inrcodec.format import container
from tests.support import generator, independent_decoder, independent_grid
from tests.support.helpers import ROOT, facts_of, flat_symbols, reseal

SEEDS = range(400)

file_of = functools.cache(generator.valid_file)


@functools.cache
def spec_of(seed: int) -> independent_decoder.Spec:
    return independent_decoder.read(file_of(seed))


def agree(data: bytes) -> None:
    """Both decoders read the same fields, and what is read is written again as it was."""
    spec, model = independent_decoder.read(data), families.read(data)
    assert container.serialise(container.parse(data, families.FAMILIES)) == data
    assert families.write(model)[-4:] == data[-4:] or not is_canonical(spec)
    assert (spec.height, spec.width, spec.channels) == (model.height, model.width, model.network.channels)
    said = {"dims": spec.dims, "codes": spec.codes, "grid": independent_grid.facts(spec.grid)}
    assert said == facts_of(model)
    assert (spec.f32_safe, spec.content_hash) == (model.f32_safe, model.content_hash)
    assert spec.symbols == flat_symbols(model).tolist()


def is_canonical(spec: independent_decoder.Spec) -> bool:
    """Whether there is but one file of its fields: zstd has several forms, and unknown sections are not kept."""
    return spec.grid is not None and not spec.ancillary.keys() - {0x80}


def test_both_read_every_generated_file_alike() -> None:
    for seed in SEEDS:
        agree(file_of(seed))


@pytest.mark.parametrize("scale", [1, 2])
def test_both_draw_the_same_samples_in_float64(scale: int) -> None:
    drawn = 0
    for seed in SEEDS:
        data, spec = file_of(seed), spec_of(seed)
        if spec.height * spec.width <= 200:
            ours = decoder.decode(data, (scale * spec.height, scale * spec.width), exact=True)
            np.testing.assert_array_equal(ours.reshape(-1), independent_decoder.draw(spec, scale).reshape(-1))
            drawn += 1
    assert drawn > len(SEEDS) / 2


def test_the_generator_covers_every_kind_of_file() -> None:
    specs = list(map(spec_of, SEEDS))
    assert {spec.channels for spec in specs} == {1, 2, 3, 4}
    assert {spec.coder for spec in specs} == {0, 1, None}
    assert {spec.f32_safe for spec in specs} == {False, True}
    assert {spec.content_hash is None for spec in specs} == {False, True}
    assert {0, 255} <= {code for spec in specs for code in spec.codes}
    assert {1, 1024} <= {dim for spec in specs for dim in spec.dims}
    assert {1, 32} <= {len(spec.dims) for spec in specs}
    assert {-32767, 32767} <= {symbol for spec in specs for symbol in spec.symbols}
    assert max(len(spec.ancillary) for spec in specs) >= 3


def test_the_generator_covers_every_kind_of_grid() -> None:
    specs = [spec for spec in map(spec_of, SEEDS) if spec.grid]
    grids = [spec.grid for spec in specs if spec.grid]
    assert {spec.channels for spec in specs} == {1, 2, 3, 4}
    assert {spec.f32_safe for spec in specs} == {False, True}
    assert {independent_grid.level_count(spec.height, spec.width) for spec in specs} == {2, 3}
    assert {0, 1023} <= {grid.delta_code for grid in grids}
    assert {0, 15} <= {shift for grid in grids for shift in grid.shifts}
    assert {0, 15} <= {scale for grid in grids for scale in grid.scales}
    assert {-32767, 32767} <= {int(q) for grid in grids for q in grid.latents["luma", 0].flat}
    assert any(not any(spec.symbols) for spec in specs)


def test_both_refuse_the_same_mutations() -> None:
    """Any byte but the checksum's set to 0, or moved by one, checksum made right again."""
    refused = 0
    for seed in range(100):
        data = file_of(seed)
        if len(data) < 150:
            for at in range(4, len(data) - 4):
                for byte in (0, (data[at] + 1) % 256, (data[at] - 1) % 256):
                    refused += both_refuse(data, at, byte)
    assert refused > 1000


def both_refuse(data: bytes, at: int, byte: int) -> bool:
    changed = reseal(data[:at] + bytes([byte]) + data[at + 1 :])
    try:
        independent_decoder.read(changed)
    except independent_decoder.Invalid:
        with pytest.raises(BitstreamError):
            families.read(changed)
        return True
    with contextlib.suppress(LimitError):
        agree(changed)
    return False


def test_the_independent_decoder_imports_nothing_of_the_package() -> None:
    for path in (ROOT / "tests" / "support").glob("independent_*.py"):
        lines = path.read_text().splitlines()
        assert not [line for line in lines if re.match(r"\s*(import|from) .*inrcodec", line)]
        assert not [line for line in lines if re.match(r"\s*from tests", line) and "independent_" not in line]
        assert len(lines) <= 400
