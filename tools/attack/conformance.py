"""How far two decoders agree on generated files, and float32 with float64 on real ones.

    python tools/attack/conformance.py [--files 10000] [--coverage] [--inr DIR] [--pictures DIR]

Generated files are read by the package and by the tests' `independent_decoder.py`, the small ones drawn by both in
class X; as many changed ones must be read by both or refused by both. `--coverage` counts the branches of the parser
that all of these and the golden error files take. `--inr` draws the files of a folder in both classes, `--pictures`
encodes those of a folder first, at effort 1.
"""

import argparse
import itertools
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inrcodec import families
from inrcodec.compute.backends import NumpyBackend
from inrcodec.decoding import conformance, decoder
from inrcodec.errors import BitstreamError, InrError, LimitError
from inrcodec.families.grid import stored as grid_stored
from inrcodec.families.siren import stored
from inrcodec.format import ans, container, entropy, metadata
from inrcodec.format.limits import DecodeLimits
from inrcodec.format.metadata import Metadata
from tests.support import generator, golden_cases, independent_decoder, independent_grid
from tests.support.helpers import facts_of, flat_symbols

MOST_DRAWN = 200
"""Pixels; larger pictures are read and not drawn."""
LIMITS = DecodeLimits(max_latents=1 << 14)
"""For changed files: the second decoder has no limits, and changed sides make a grid of any size."""
PARSER = {
    container: (
        "Reader.__init__ Reader.__bool__ Reader.need Reader.take Reader.rest Reader.u8 Reader.varint parse _sealed "
        "_refuse_start _total_length in_range _sections"
    ),
    families: "read read_header _read_header _shape _family_in _content_hash metadata_of",
    stored: "architecture _architecture read",
    grid_stored: "architecture read _whole _context_weights _tensor_laws",
    ans: "Decoder.__init__ Decoder.take Decoder.finish Decoder._indices Decoder._take_escapes _Laws.of _Laws.bands",
    metadata: "metadata_in _block",
    entropy: (
        "_unzigzag read_varints _decode_raw _checked _refusal decompress _from_values _decode_aligned _split_aligned "
        "_joined"
    ),
}
"""The reading half of these modules, function by function."""


@dataclass
class Tally:
    """What has been found of generated files."""

    files: int = 0
    alike: int = 0
    """Of which all fields and symbols are the same."""
    written_again: int = 0
    """That `serialise` makes the same of."""
    samples: int = 0
    differing: int = 0
    """Samples in class X, between both decoders."""
    changed: int = 0
    changed_read: int = 0
    """Changed files, and those of them that both still read."""
    at_odds: int = 0
    """Changed files that one reads and the other refuses, or that both read otherwise."""

    @property
    def text(self) -> str:
        """A line for each finding."""
        return (
            f"{self.files:,} generated files: {self.alike:,} read alike, {self.written_again:,} written again as they "
            f"were\n{self.samples:,} samples in class X: {self.differing:,} differ\n"
            f"{self.changed:,} changed files: both read {self.changed_read:,}, {self.at_odds:,} at odds"
        )


def alike(data: bytes) -> bool:
    """Whether both decoders read the same fields and symbols."""
    spec, model = independent_decoder.read(data), families.read(data)
    said = model.height, model.width, model.network.channels, facts_of(model)
    theirs = {"dims": spec.dims, "codes": spec.codes, "grid": independent_grid.facts(spec.grid)}
    symbols = flat_symbols(model).tolist()
    ancillary = {key: payload for key, payload in container.parse(data, families.FAMILIES).sections if key >= 0x80}
    return said == (spec.height, spec.width, spec.channels, theirs) and (
        (symbols, model.f32_safe, model.content_hash, ancillary)
        == (spec.symbols, spec.f32_safe, spec.content_hash, spec.ancillary)
    )


def their_metadata(data: bytes) -> Metadata:
    """As the independent decoder reads it."""
    spec = independent_decoder.read(data)
    return Metadata(*(independent_decoder.block(spec, key) for key in (0x81, 0x82, 0x83)))


def metadata_alike(data: bytes) -> bool:
    """Whether both decoders read the same metadata, or both refuse it."""
    try:
        ours = families.metadata_of(data)
    except LimitError:
        return True
    except BitstreamError:
        return not read_by(their_metadata, data, independent_decoder.Invalid)
    return read_by(their_metadata, data, independent_decoder.Invalid) and their_metadata(data) == ours


def written_again(data: bytes) -> bool:
    return container.serialise(container.parse(data, families.FAMILIES)) == data


def read_by(read: Callable[[bytes], object], data: bytes, refusal: type[Exception]) -> bool:
    """Whether a decoder takes a file; anything but its own refusal is a bug, and comes through."""
    try:
        read(data)
    except refusal:
        return False
    return True


def count_generated(tally: Tally, seed: int) -> None:
    """Read a generated file with both decoders, and draw it if it is small."""
    data = generator.valid_file(seed)
    tally.files += 1
    tally.alike += alike(data) and families.metadata_of(data) == their_metadata(data)
    tally.written_again += written_again(data)
    spec = independent_decoder.read(data)
    if spec.height * spec.width <= MOST_DRAWN:
        drawn = independent_decoder.draw(spec).reshape(-1)
        tally.samples += drawn.size
        tally.differing += int(np.count_nonzero(decoder.decode(data, exact=True).reshape(-1) != drawn))


def count_changed(tally: Tally, seed: int) -> None:
    """Have both decoders read or refuse a changed file; one over our limits is no matter of the format."""
    data = generator.mutated_file(seed)
    tally.changed += 1
    try:
        ours = read_by(lambda data: families.read(data, LIMITS), data, BitstreamError)
    except LimitError:
        return
    theirs = read_by(independent_decoder.read, data, independent_decoder.Invalid)
    tally.changed_read += ours and theirs
    tally.at_odds += ours != theirs or (ours and not (alike(data) and metadata_alike(data) and written_again(data)))


def generated(seeds: Sequence[int]) -> Tally:
    """All findings over generated and changed files of these seeds."""
    tally = Tally()
    for seed in seeds:
        count_generated(tally, seed)
        count_changed(tally, seed)
    return tally


def read_golden_errors() -> None:
    """Read what the golden errors are made of, for the branches that chance does not find."""
    for case in (*golden_cases.bad(), *golden_cases.bad_metadata()):
        read_by(families.read, case.data, InrError)
        read_by(families.read_header, case.data, InrError)
        read_by(families.metadata_of, case.data, InrError)


def covered(work: Callable[[], Tally]) -> tuple[Tally, dict[str, list[str]], int]:
    """What `work` and the golden error files find, what they miss of each of the parser's functions, and its branches.

    Missed are "line" or "line -> line".
    """
    import coverage

    measured = coverage.Coverage(data_file=None, branch=True, include=[str(module.__file__) for module in PARSER])
    measured.start()
    tally = work()
    read_golden_errors()
    measured.stop()
    with tempfile.NamedTemporaryFile("r", suffix=".json") as report:
        measured.json_report(outfile=report.name)
        files = {Path(name).resolve(): facts["functions"] for name, facts in json.load(report)["files"].items()}
    missed, branches = {}, 0
    for module, names in PARSER.items():
        for name in names.split():
            facts = files[Path(str(module.__file__)).resolve()][name]
            branches += facts["summary"]["num_branches"]
            missed[name] = [*map(str, facts["missing_lines"]), *(f"{a} -> {b}" for a, b in facts["missing_branches"])]
    return tally, {name: lines for name, lines in missed.items() if lines}, branches


def real_files(folder: Path | None, pictures: Path | None) -> Iterator[tuple[str, bytes]]:
    """Names and bytes: the files of one folder, encodes of the pictures of another."""
    for path in sorted(folder.rglob("*.inr")) if folder else ():
        yield path.name, path.read_bytes()
    for path in sorted(pictures.glob("*.png")) if pictures else ():
        import inrcodec

        yield path.name, inrcodec.encode(path, inrcodec.EncoderConfig(effort=1))


def in_float32(data: bytes) -> conformance.Agreement:
    """A file drawn in float32, whether it allows that or not, against float64, at its native size."""
    picture, backend = families.read(data), NumpyBackend()
    one, other = (
        decoder.Picture(picture, picture.network.evaluator(backend, dtype)).render()
        for dtype in (np.float32, np.float64)
    )
    return conformance.compare(one, other)


def print_real(files: Iterator[tuple[str, bytes]]) -> None:
    """float32 against float64 of each file, and over all."""
    found = []
    for name, data in files:
        found.append(in_float32(data))
        safe = "F32_SAFE" if families.read_header(data).f32_safe else "not F32_SAFE"
        print(f"  {name}: {found[-1].differing:,} of {found[-1].samples:,} differ, {safe}", flush=True)
    samples, differing = sum(f.samples for f in found), sum(f.differing for f in found)
    most = max(f.most_apart for f in found)
    equal = f"{100 * (1 - differing / samples):.5f} % equal"
    print(f"{len(found)} real files in float32: {samples:,} samples, {equal}, at most {most} code apart")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("--inr", type=Path)
    parser.add_argument("--pictures", type=Path)
    args = parser.parse_args()
    if args.coverage:
        tally, missed, branches = covered(lambda: generated(range(args.files)))
        taken = branches - sum("->" in miss for miss in itertools.chain(*missed.values()))
        print(f"{tally.text}\n{taken} of {branches} branches of the parser taken; missed: {missed or 'none'}")
    else:
        print(generated(range(args.files)).text)
    if args.inr or args.pictures:
        print_real(real_files(args.inr, args.pictures))


if __name__ == "__main__":
    main()
