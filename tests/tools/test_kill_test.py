"""A small slice of tools/attack/kill_test.py: what is killed leaves nothing broken, and the tool would see it."""

from pathlib import Path

from tools.attack import kill_test


def test_a_killed_write_leaves_a_whole_file_and_the_next_write_cleans_up(tmp_path: Path) -> None:
    found = kill_test.kill_writes(6, tmp_path)
    assert (found.runs, found.torn, found.left_after_next) == (6, 0, 0)


def test_the_count_of_torn_files_can_be_other_than_0(tmp_path: Path) -> None:
    assert kill_test.kill_writes(12, tmp_path, kill_test.PLAIN).torn > 0


def test_an_encode_that_is_killed_is_finished_by_another(tmp_path: Path) -> None:
    found = kill_test.kill_encodes(1, tmp_path, effort=1)
    assert (found.runs, found.finished, found.identical, found.torn, found.left) == (1, 1, 1, 0, 0)
    assert found.most_apart == 0
