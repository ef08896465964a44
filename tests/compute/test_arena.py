"""Laws of the arena: arrays that are in use never share memory, and the same requests find all that there was."""

import numpy as np
import pytest

from inrcodec.compute.arena import Arena


class Counted:
    """Makes arrays, and counts their numbers."""

    def __init__(self) -> None:
        self.numbers = 0

    def empty(self, *shape: int) -> np.ndarray:
        self.numbers += int(np.prod(shape))
        return np.empty(shape)


@pytest.mark.parametrize("seed", range(5))
def test_arrays_in_use_share_no_memory(seed: int) -> None:
    rng, arena = np.random.default_rng(seed), Arena(lambda *shape: np.empty(shape))
    for _ in range(3):
        arena.reset()
        held: list[np.ndarray] = []
        for _ in range(20):
            held.append(arena.empty(*rng.integers(1, 20, 2)))
            with arena.passing():
                held += [arena.empty(*rng.integers(1, 20, 2)) for _ in range(3)]
                for number, one in enumerate(held):
                    one[...] = number
                assert all((one == number).all() for number, one in enumerate(held))
                del held[-3:]


def test_the_same_requests_make_nothing_new() -> None:
    counted = Counted()
    arena, made = Arena(counted.empty), []
    for _ in range(4):
        arena.reset()
        kept = arena.empty(3, 5)
        for size in (100, 7, 40, 100):
            with arena.passing():
                assert arena.empty(size, 2).shape == (size, 2)
        assert kept.shape == (3, 5)
        made.append(counted.numbers)
    assert made == made[:1] * 4


def test_what_passes_is_handed_out_again_where_it_is_of_about_the_size() -> None:
    counted = Counted()
    arena = Arena(counted.empty)
    for size in (100, 60, 90, 51):
        with arena.passing():
            arena.empty(size)
    assert counted.numbers == 100
    with arena.passing():
        arena.empty(50)
    assert counted.numbers == 150


def test_an_array_may_be_empty() -> None:
    assert Arena(lambda *shape: np.empty(shape)).empty(0, 3).shape == (0, 3)


def test_what_an_error_leaves_behind_is_free_again() -> None:
    counted = Counted()
    arena = Arena(counted.empty)

    def fails() -> None:
        with arena.passing():
            arena.empty(10)
            raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            fails()
    assert counted.numbers == 10
