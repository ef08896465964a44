"""An encode that was ended goes on as if it had not been, and what it goes on from may be any bytes."""

import dataclasses
import io
import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from inrcodec.cli import checkpoint
from inrcodec.encoding import pilot
from inrcodec.encoding.config import EncoderConfig
from inrcodec.encoding.encoder import encode_with_report
from inrcodec.errors import CheckpointError
from inrcodec.families.siren import trainer
from inrcodec.families.siren.gradients import PixelSums
from inrcodec.families.siren.network import InitConfig, SirenArch, init
from inrcodec.families.siren.plan import SirenPlan
from inrcodec.families.siren.tensors import FloatNetwork
from inrcodec.fitting.loop import BatchSearch, FitConfig
from inrcodec.fitting.soap import Soap
from inrcodec.fitting.state import State
from inrcodec.fitting.target import Target
from inrcodec.progress import Monitor, Progress
from tests.support.pictures import waves

CPU = torch.device("cpu")
CONFIG = EncoderConfig(quality=100, effort=1, device="cpu")
IMAGE = waves(24, 32)
AFTER_THE_FIT = 10**9


class Ended(Exception):
    """The process is no more."""


class Ending:
    """Keeps the state before one step, as bytes, and ends the encode there."""

    def __init__(self, step: int) -> None:
        self._left, self.data = step, b""

    def load(self) -> None: ...

    def keep(self, state: Callable[[], State]) -> None:
        if self._left == 0:
            self._end(state)
        self._left -= 1

    def settle(self, state: Callable[[], State]) -> None:
        self._end(state)

    def _end(self, state: Callable[[], State]) -> None:
        self.data = checkpoint.write(state())
        raise Ended


class Resuming(Ending):
    """Gives back what another process has kept."""

    def __init__(self, found: State) -> None:
        self._found = found

    def load(self) -> State:
        return self._found

    def keep(self, state: Callable[[], State]) -> None: ...

    def settle(self, state: Callable[[], State]) -> None: ...


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def ended(step: int, config: EncoderConfig = CONFIG, image: np.ndarray = IMAGE) -> State:
    """What is kept of an encode that is ended before a step."""
    keeper = Ending(step)
    with pytest.raises(Ended):
        encode_with_report(image, config, keeper=keeper)
    return checkpoint.read(keeper.data)


@pytest.fixture(scope="module")
def whole() -> bytes:
    """The file of the encode that nothing interrupts."""
    torch.set_num_threads(1)
    return encode_with_report(IMAGE, CONFIG).data


@pytest.fixture(scope="module")
def kept() -> State:
    torch.set_num_threads(1)
    return ended(203)


@pytest.mark.parametrize("step", [0, 1, 203, 624, AFTER_THE_FIT])
def test_an_encode_that_is_gone_on_with_makes_the_same_bytes(step: int, whole: bytes) -> None:
    assert encode_with_report(IMAGE, CONFIG, keeper=Resuming(ended(step))).data == whole


@pytest.mark.parametrize("step", [0, 17, AFTER_THE_FIT])
def test_of_grids_too(step: int) -> None:
    config = dataclasses.replace(CONFIG, family="grid")
    resumed = encode_with_report(IMAGE, config, keeper=Resuming(ended(step, config)))
    assert resumed.data == encode_with_report(IMAGE, config).data


def test_it_makes_the_same_bytes_after_a_retreat_from_divergence() -> None:
    def divergent(*arguments: object) -> SirenPlan:
        found = plan(*arguments)
        return found.with_fit(dataclasses.replace(found.fit, rate=100 * found.fit.rate, leap=0.5, evaluate_every=20))

    plan = trainer.plan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "plan", divergent)
        state = ended(250)
        assert int(state["fit.restarts"]) > 0
        resumed = encode_with_report(IMAGE, CONFIG, keeper=Resuming(state)).data
        assert resumed == encode_with_report(IMAGE, CONFIG).data


def test_the_pilot_of_a_psnr_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    config = EncoderConfig(psnr=24.0, effort=1, device="cpu")
    expected = encode_with_report(IMAGE, config).data
    state = ended(100, config)
    monkeypatch.setattr(pilot, "run", lambda *arguments: pytest.fail("a pilot"))
    assert encode_with_report(IMAGE, config, keeper=Resuming(state)).data == expected


WEAK = EncoderConfig(psnr=58.0, effort=1, device="cpu")
"""So near to what 8-bit codes can hold that no small network is strong enough, however a processor rounds."""


@pytest.fixture(scope="module")
def second() -> tuple[State, bytes]:
    """What is kept of an encode whose first network, after 625 steps, was too weak; and the file that it ends with."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pilot, "run", lambda *arguments: [pilot.Reached(120.0, 59.2)])
        return ended(700, WEAK), encode_with_report(IMAGE, WEAK).data


def test_an_encode_that_is_on_its_way_to_a_psnr_with_a_second_network_is_gone_on_with(
    second: tuple[State, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, expected = second
    monkeypatch.setattr(pilot, "run", lambda *arguments: pytest.fail("a pilot"))
    assert len(state["fits"]) == 2
    assert encode_with_report(IMAGE, WEAK, keeper=Resuming(state)).data == expected


@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        ("best.value0", lambda array: array[1:], "value0 is float32"),
        ("best.value1", lambda array: replaced(array, np.nan), "value1 holds numbers that are not finite"),
        ("best.point", lambda array: array * np.nan, "no operating point"),
        ("best.psnr", lambda array: replaced(array, -1), "psnr is -1.0"),
        ("best.more", lambda _: np.zeros(3), "more is unknown"),
        ("fits", lambda array: array * np.nan, "fits are none"),
        ("fits", lambda array: array[0], "fits is float64"),
        ("refits", lambda array: replaced(array, 99), "refits is 99"),
    ],
)
def test_the_best_network_of_an_earlier_fit_comes_back_checked(
    second: tuple[State, bytes], name: str, change: Callable[[object], np.ndarray], complaint: str
) -> None:
    state, _ = second
    with pytest.raises(CheckpointError, match=complaint):
        encode_with_report(IMAGE, WEAK, keeper=Resuming({**state, name: change(state.get(name))}))


def test_progress_goes_on_where_it_was(kept: State) -> None:
    seen: list[Progress] = []
    encode_with_report(IMAGE, CONFIG, Monitor(report=seen.append), Resuming(kept))
    assert (seen[0].step, seen[0].begun) == (400, 203)


def search(steps: int = 50) -> BatchSearch:
    arch = SirenArch((8, 6), 3)
    network = FloatNetwork(arch, init(arch, 0, InitConfig(w_max=10)), CPU)
    found = BatchSearch(PixelSums(network, Target(IMAGE, CPU)), FitConfig(steps=steps))
    found.evaluate()
    return found


def same(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("steps", [0, 1, 2, 25])
def test_the_state_of_a_search_and_its_restoring_are_inverse(steps: int) -> None:
    one, other = search(), search()
    for step in range(steps):
        one.step(step)
    other.restore(one.state())
    assert same(one.state(), other.state())
    for step in range(steps, 50):
        one.step(step)
        other.step(step)
    assert same(one.state(), other.state())


def test_a_state_is_a_copy() -> None:
    one = search()
    one.step(0)
    state = one.state()
    before = {name: array.copy() for name, array in state.items()}
    one.step(1)
    one.evaluate()
    assert same(before, state)


@pytest.mark.parametrize("shape", [(5,), (3, 5), (1, 4)])
def test_the_state_of_soap_and_its_restoring_are_inverse(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    points = [torch.zeros(shape) for _ in range(2)]
    one, other = (Soap([point]) for point in points)
    for _ in range(15):
        one.step([torch.randn(shape, generator=generator)], 1e-2)
    points[1].copy_(points[0])
    other.restore(one.state())
    assert same(one.state(), other.state())
    for _ in range(15):
        gradient = torch.randn(shape, generator=generator)
        one.step([gradient], 1e-2)
        other.step([gradient], 1e-2)
    assert torch.equal(*points)


def test_bytes_hold_the_arrays_exactly(kept: State) -> None:
    again = checkpoint.read(checkpoint.write(kept))
    assert same(kept, again)
    assert [array.dtype for array in kept.values()] == [array.dtype for array in again.values()]


def test_numpy_reads_a_checkpoint(kept: State) -> None:
    with np.load(io.BytesIO(checkpoint.write(kept)), allow_pickle=False) as found:
        assert same(kept, dict(found))


@pytest.mark.parametrize(
    ("image", "config", "complaint"),
    [
        (waves(24, 32, seed=1), CONFIG, "another picture"),
        (IMAGE.reshape(32, 24, 3), CONFIG, "another picture"),
        (IMAGE, dataclasses.replace(CONFIG, seed=1), "other options"),
        (IMAGE, dataclasses.replace(CONFIG, effort=2), "other options"),
    ],
)
def test_another_encode_is_not_gone_on_with(
    kept: State, image: np.ndarray, config: EncoderConfig, complaint: str
) -> None:
    with pytest.raises(CheckpointError, match=complaint):
        encode_with_report(image, config, keeper=Resuming(kept))


def replaced(array: np.ndarray, value: float) -> np.ndarray:
    out = array.copy()
    out.reshape(-1)[0] = value
    return out


@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        ("fit.value0", None, "value0 is missing"),
        ("fit.soap.1.basis0", None, "1.basis0 is missing"),
        ("fit.generator", None, "generator is missing"),
        ("picture", None, "picture is missing"),
        ("point", None, "point is missing"),
        ("fit.more", lambda _: np.zeros(3), "more is unknown"),
        ("fit.soap.99.first", lambda _: np.zeros(3), "99.first is unknown"),
        ("more", lambda _: np.zeros(3), "more is unknown"),
        ("fit.value0", lambda array: array[1:], "value0 is float32"),
        ("fit.best1", lambda array: array.astype(np.float64), "best1 is float64"),
        ("fit.soap.0.factor1", lambda array: array[None], "0.factor1 is float32"),
        ("fit.best0", lambda array: replaced(array, np.nan), "best0 holds numbers that are not finite"),
        ("fit.best0", lambda array: replaced(array, np.inf), "best0 holds numbers that are not finite"),
        ("fit.error", lambda array: replaced(array, np.nan), "error is nan"),
        ("fit.error", lambda array: replaced(array, -1), "error is -1.0"),
        ("fit.rate", lambda array: replaced(array, np.inf), "rate is inf"),
        ("fit.next", lambda array: replaced(array, -1), "next is -1, not in 0 .. 625"),
        ("fit.next", lambda array: replaced(array, 626), "next is 626"),
        ("fit.start", lambda array: replaced(array, 2**62), "start is"),
        ("fit.soap.steps", lambda array: replaced(array, -(2**62)), "steps is"),
        ("fit.generator", lambda array: array[:-1], "generator is uint8"),
        ("fit.generator", lambda array: np.full_like(array, 255), "no state of a random generator"),
        ("point", lambda array: replaced(array, 101), "no operating point"),
        ("point", lambda array: np.array([50, np.nan, 1, 1]), "no operating point"),
        ("point", lambda array: np.array([50, 0.0, 1, 1]), "no operating point"),
        ("point", lambda array: array * [1, 3, 1, 1], "best0 is float32"),
        ("layout", lambda array: array + 1, "another layout"),
        ("version", lambda array: array + np.uint8(1), "another version"),
    ],
)
def test_a_state_that_cannot_be_is_refused_in_words(
    kept: State, name: str, change: Callable[[object], np.ndarray] | None, complaint: str
) -> None:
    state = dict(kept)
    if change is None:
        del state[name]
    else:
        state[name] = change(state.get(name))
    with pytest.raises(CheckpointError, match=complaint):
        encode_with_report(IMAGE, CONFIG, keeper=Resuming(state))


def test_a_search_that_was_not_finite_when_it_was_kept_is_called_back(kept: State) -> None:
    spoilt = {name: replaced(kept[name], np.nan) for name in kept if "value" in name or "soap.1" in name}
    assert encode_with_report(IMAGE, CONFIG, keeper=Resuming({**kept, **spoilt})).psnr > 25


def npz(**arrays: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in arrays.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


def npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + data


def compressed() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, big=np.zeros(10**6))
    return file.getvalue()


class Payload:
    """What unpickling would run."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return Path.touch, (Path("executed"),)  # type: ignore[return-value]


def pickled() -> bytes:
    file = io.BytesIO()
    np.savez(file, attack=np.array([Payload()], object))
    return file.getvalue()


HOSTILE = {
    "nothing": b"",
    "text": b"not a zip",
    "magic alone": b"PK\x05\x06" + bytes(18),
    "compressed": compressed(),
    "pickled": pickled(),
    "no npy": npz(a=b"text"),
    "vast shape": npz(a=npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1152921504606846976,)}")),
    "negative shape": npz(a=npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1)}", bytes(4))),
    "too many bytes": npz(a=npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", bytes(8))),
    "object": npz(a=npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", bytes(8))),
    "by columns": npz(a=npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2)}", bytes(8))),
    "other version": npz(a=npy("{'descr': '<f4', 'fortran_order': False, 'shape': ()}", bytes(4), b"\x09\x00")),
    "code": npz(a=npy("__import__('pathlib').Path('executed').touch()")),
    "deep": npz(a=npy("(" * 100)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_are_refused_and_nothing_in_them_is_executed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if name == "magic alone":
        assert checkpoint.read(HOSTILE[name]) == {}  # an empty archive: what it lacks is named later
    else:
        with pytest.raises(CheckpointError):
            checkpoint.read(HOSTILE[name])
    assert not list(tmp_path.iterdir())


def test_cut_or_flipped_bytes_are_refused_or_hold_what_they_held(kept: State) -> None:
    data, rng = checkpoint.write(kept), np.random.default_rng(0)
    for end in rng.integers(0, len(data), 100):
        with pytest.raises(CheckpointError):
            checkpoint.read(data[:end])
    for at in rng.integers(0, len(data), 300):
        flipped = bytearray(data)
        flipped[at] ^= 1 << rng.integers(8)
        try:
            found = checkpoint.read(bytes(flipped))
        except CheckpointError:
            continue
        shared = found.keys() & kept.keys()  # a name may have changed, and is then one that nobody knows
        assert len(shared) >= len(kept) - 1
        assert all(np.array_equal(found[name], kept[name]) for name in shared)


def test_a_checkpoint_is_saved_when_it_is_time_and_when_the_fit_of_a_long_encode_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, settled = [0.0], []
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    path = tmp_path / ".a.inr.ckpt"
    keeper = checkpoint.Checkpoint(path, False, 60, pytest.fail, lambda: settled.append(True))
    saved = []
    for now[0] in (0.0, 59.0, 61.0, 62.0, 120.0, 122.0):
        keeper.keep(lambda: {"at": np.array(now[0])})
        saved.append(float(checkpoint.read(path.read_bytes())["at"]) if path.exists() else math.nan)
    np.testing.assert_equal(saved, [math.nan, math.nan, 61.0, 61.0, 61.0, 122.0])
    now[0] = 123.0
    keeper.settle(lambda: {"at": np.array(now[0])})
    assert float(checkpoint.read(path.read_bytes())["at"]) == 123
    assert settled == [True]
    keeper.discard()
    assert not list(tmp_path.iterdir())
    keeper.settle(lambda: {})
    assert not list(tmp_path.iterdir())
