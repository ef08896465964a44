"""The table of time limits sees each of its laws broken."""

import pytest

from tools.measure.time_limit_table import Cell, faults

REFUSAL = "inrcodec: time_limit: 5 s: too few for this picture on this machine, it takes 6 s at least"
PLAIN = [Cell(None, 1, 8.0, 2500, 25.0, "", 0), Cell(None, 2, 15.0, 2500, 26.0, "", 0)]
LIMITED = [
    Cell(5.0, 5, 4.0, 0, 0.0, REFUSAL, 3), Cell(10.0, 5, 10.9, 2500, 25.1, "", 0),
    Cell(20.0, 5, 21.9, 2500, 26.1, "", 0),
]  # fmt: skip


def test_nothing_is_found_where_all_laws_hold() -> None:
    assert not list(faults(PLAIN, LIMITED))


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (Cell(30.0, 5, 33.2, 2500, 26.2, "", 0), "30 s: took 33.2 s, 33.0 allowed"),
        (Cell(30.0, 5, 29.0, 2500, 25.85, "", 0), "30 s: 25.85 dB, 20 s have 26.10"),
        (Cell(30.0, 5, 29.0, 0, 0.0, "internal error", 70), "-e 5, limit 30.0: exit 70: internal error"),
        (Cell(30.0, 5, 29.0, 2500, 25.7, "", 0), "30 s: 25.70 dB, effort 2 has 26.00 in 15.0 s"),
        (Cell(30.0, 5, 29.0, 0, 0.0, REFUSAL, 3), "30 s: 0.00 dB, effort 2 has 26.00 in 15.0 s"),
    ],
)
def test_a_broken_law_is_named(cell: Cell, text: str) -> None:
    assert text in list(faults(PLAIN, [*LIMITED, cell]))
