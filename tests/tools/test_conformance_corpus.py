"""A slice of `tools/attack/conformance.py`: hostile and generated files, and what of the parser they reach."""

from functools import cache

from inrcodec import families
from inrcodec.families.grid import stored as grid_stored
from inrcodec.families.siren import stored
from inrcodec.format import ans, container, entropy, metadata
from tests.support.helpers import ROOT
from tools.attack import conformance as tool


@cache
def found() -> tuple[tool.Tally, dict[str, list[str]], int]:
    return tool.covered(lambda: tool.generated(range(150)))


def test_both_decoders_read_generated_files_alike_and_write_them_again() -> None:
    tally = found()[0]
    assert (tally.files, tally.alike, tally.written_again) == (150, 150, 150)


def test_both_decoders_draw_the_same_samples_in_class_x() -> None:
    tally = found()[0]
    assert tally.samples > 10_000
    assert tally.differing == 0


def test_both_decoders_take_the_same_changed_files() -> None:
    tally = found()[0]
    assert tally.changed_read > 0
    assert tally.at_odds == 0


def test_generated_changed_and_golden_files_take_every_branch_of_the_parser() -> None:
    _, missed, branches = found()
    assert missed == {}
    assert branches > 50


def test_the_parser_is_every_function_that_reads() -> None:
    """A function of these modules either reads, and is listed, or writes."""
    for module, names in tool.PARSER.items():
        listed = {name.partition(".")[0] for name in names.split()}
        here = {key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
        writes = {
            container: {"serialise", "Container"},
            families: {"write", "section_sizes", "with_metadata", "Header", "register", "named", "chosen"},
            stored: {"SirenNetwork", "_layer_facts", "parts"},
            grid_stored: {"GridNetwork", "parts"},
            ans: {"Encoder", "Band", "bits"}
            | {"counts", "_decay", "_tails", "_scale_counts", "_library", "_Library", "_Escapes"}
            | {"_powers", "_indices", "_pieces"},
            metadata: {
                "Metadata",
                "NO_METADATA",
                "profile_of",
                "parse_kinds",
                "with_metadata",
                "metadata_bytes",
                "_sections",
            },
            entropy: {"_zigzag", "varint", "write_varints", "compress", "encode", "Coder"}
            | {"_encode_raw", "_encode_aligned", "_frame", "_values", "_high", "_estimate", "_aligned"},
        }[module]
        assert here == listed | writes


def test_a_real_file_is_drawn_in_float32_within_class_m() -> None:
    data = (ROOT / "tests" / "golden" / "valid" / "real_astronaut_rgb.inr").read_bytes()
    assert tool.in_float32(data).within_class_m
