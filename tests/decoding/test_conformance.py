"""Classes X and M: what F32_SAFE promises, what HASH is of, and what `verify` says when either is wrong."""

import zlib
from dataclasses import replace

import numpy as np
import pytest

from inrcodec import cli, families
from inrcodec.compute import backends
from inrcodec.compute.backends import Manner, NumpyBackend
from inrcodec.compute.torch_backend import TorchBackend
from inrcodec.decoding import conformance, decoder
from inrcodec.decoding.conformance import Agreement, certify, verify
from inrcodec.decoding.decoder import Region
from inrcodec.errors import InrError, StoppedError
from inrcodec.families import StoredPicture
from inrcodec.families.siren.network import InitConfig, SirenArch, init, q_step, q_step_code
from inrcodec.families.siren.stored import SirenNetwork
from inrcodec.format.limits import DecodeLimits
from tests.support.helpers import python

ARCH = SirenArch((12, 10, 8), 3)


def model_of(scale: float = 1.0, arch: SirenArch = ARCH) -> StoredPicture:
    """A network of 24x36 pixels at its start, all weights times `scale`: large ones make it chaotic."""
    code = q_step_code(scale / 256)
    symbols = [np.rint(p * scale / q_step(code)) for p in init(arch, 0, InitConfig(w_max=30))]
    return StoredPicture(SirenNetwork(arch, tuple(s.astype(np.int32) for s in symbols), (code,) * len(symbols)), 24, 36)


TAME, CHAOTIC = certify(model_of()), certify(model_of(60.0))


def test_a_well_conditioned_network_is_safe_in_float32_and_a_chaotic_one_is_not() -> None:
    assert TAME.f32_safe
    assert not CHAOTIC.f32_safe


@pytest.mark.parametrize("model", [TAME, CHAOTIC], ids=["tame", "chaotic"])
@pytest.mark.parametrize("size", [None, (48, 72), (5, 7)])
def test_the_default_decoder_is_within_class_m_of_the_exact_one(
    model: StoredPicture, size: tuple[int, int] | None
) -> None:
    data = families.write(model)
    apart = conformance.compare(decoder.decode(data, size), decoder.decode(data, size, exact=True))
    assert apart.within_class_m


def test_without_the_flag_a_chaotic_network_would_not_be_drawn_right() -> None:
    lying = families.write(replace(CHAOTIC, f32_safe=True))
    assert not conformance.compare(decoder.decode(lying), decoder.decode(lying, exact=True)).within_class_m


def test_numpy_and_torch_draw_the_same_in_float64() -> None:
    model = certify(model_of(8.0))
    one, other = (
        decoder.Picture(model, model.network.evaluator(backend, np.float64)).render((96, 144))
        for backend in (NumpyBackend(), TorchBackend("cpu"))
    )
    assert np.array_equal(one, other)


def test_a_region_drawn_exactly_is_exactly_the_crop() -> None:
    data = families.write(TAME)
    whole, part = decoder.decode(data, exact=True), decoder.decode(data, region=Region(5, 7, 8, 10), exact=True)
    assert np.array_equal(part, whole[5:13, 7:17])


def test_the_precision_is_that_of_the_samples() -> None:
    data, point = families.write(TAME), np.zeros((1, 2))
    assert decoder.open_bytes(data).sample(point).dtype == np.float32
    assert decoder.open_bytes(data, exact=True).sample(point).dtype == np.float64
    assert decoder.open_bytes(families.write(CHAOTIC)).sample(point).dtype == np.float64


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_hash_is_the_crc_32_of_the_exact_samples(channels: int) -> None:
    model = certify(model_of(arch=SirenArch((6, 5), channels)))
    exact = decoder.decode(families.write(model), exact=True)
    assert model.content_hash == zlib.crc32(exact.tobytes())


def test_certifying_twice_changes_nothing() -> None:
    assert certify(TAME) is not TAME
    assert families.write(certify(TAME)) == families.write(TAME)


@pytest.mark.parametrize("model", [TAME, CHAOTIC], ids=["tame", "chaotic"])
def test_what_is_drawn_as_it_should_be_is_exact_or_within_class_m(model: StoredPicture) -> None:
    verdict = verify(families.write(model))
    assert verdict.hashed
    assert verdict.exact
    assert verdict.text == ("within class M" if verdict.default.differing else "exact")


def test_another_hash_is_wrong() -> None:
    assert TAME.content_hash is not None
    assert verify(families.write(replace(TAME, content_hash=TAME.content_hash ^ 1))).text == "wrong"


def test_a_flag_that_is_not_true_is_wrong_though_the_hash_holds() -> None:
    verdict = verify(families.write(replace(CHAOTIC, f32_safe=True)))
    assert verdict.exact
    assert verdict.text == "wrong"


def test_a_file_without_a_hash_is_neither_right_nor_wrong() -> None:
    assert "without a hash" in verify(families.write(replace(TAME, content_hash=None))).text


@pytest.mark.parametrize(
    ("agreement", "holds"),
    [
        (Agreement(100_000, 10, 1), True),
        (Agreement(100_000, 11, 1), False),
        (Agreement(100_000, 1, 2), False),
        (Agreement(9_999, 1, 1), False),
        (Agreement(9_999, 0, 0), True),
    ],
)
def test_class_m_is_one_code_in_ten_thousand_samples(agreement: Agreement, holds: bool) -> None:
    assert agreement.within_class_m == holds


def test_a_large_picture_is_compared_at_some_of_its_points_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance, "MOST_POINTS", 100)
    assert conformance._agreement(model_of(), 2).samples <= 300
    assert not conformance.is_f32_safe(model_of(60.0))


@pytest.mark.parametrize("backend", ["cpu", "torch"])
def test_drawing_ends_when_asked_and_says_so(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "CHUNK", 100)
    asked = iter([False, False, True])
    manner = Manner(stopped=lambda: next(asked))
    there = NumpyBackend(manner) if backend == "cpu" else TorchBackend("cpu", manner)
    with pytest.raises(StoppedError):
        decoder.Picture(TAME, TAME.network.evaluator(there, np.float32)).render()


def test_no_chunk_has_more_multiplications_than_between_two_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "CHUNK_MACS", 10 * ARCH.param_count())
    asked: list[int] = []
    backend = NumpyBackend(Manner(stopped=lambda: bool(asked.append(1))))
    counting = TAME.network.evaluator(backend, np.float32)
    counting(np.zeros((95, 2), np.float32))
    assert len(asked) == 10


@pytest.mark.parametrize("name", ["max_side", "max_output_pixels", "max_macs", "max_macs_per_byte"])
def test_a_rendering_at_its_limit_is_drawn_and_one_over_is_refused_by_name(name: str) -> None:
    data = families.write(TAME)
    work = 48 * 72 * ARCH.param_count()
    needed = {
        "max_side": 72,
        "max_output_pixels": 48 * 72,
        "max_macs": work,
        "max_macs_per_byte": -(-work // len(data)),
    }[name]
    assert decoder.decode(data, (48, 72), limits=DecodeLimits(**{name: needed})).shape == (48, 72, 3)
    with pytest.raises(InrError, match=f"allowed by {name}$") as refusal:
        decoder.decode(data, (48, 72), limits=DecodeLimits(**{name: needed - 1}))
    assert (refusal.value.name, refusal.value.value, refusal.value.limit) == (name, needed, needed - 1)  # type: ignore[attr-defined]


def test_an_error_keeps_what_it_knows_when_a_file_is_named() -> None:
    with pytest.raises(InrError) as refusal:
        DecodeLimits().check("max_side", 10**6, "the picture is wide")
    named = refusal.value.about("a.inr")
    assert str(named).startswith("a.inr: the picture is wide")
    assert (type(named), vars(named)) == (type(refusal.value), vars(refusal.value))


@pytest.fixture
def files(tmp_path, monkeypatch):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "right.inr").write_bytes(families.write(TAME))
    (tmp_path / "wrong.inr").write_bytes(families.write(replace(TAME, content_hash=7)))
    (tmp_path / "plain.inr").write_bytes(families.write(replace(TAME, content_hash=None)))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [("right", 0, "right.inr: "), ("wrong", 3, "wrong.inr: wrong;"), ("plain", 0, "plain.inr: without a hash")],
)
@pytest.mark.usefixtures("files")
def test_verify_says_its_verdict_and_fails_what_is_wrong(
    name: str, code: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["verify", f"{name}.inr"]) == code
    assert capfd.readouterr().out.startswith(said)


@pytest.mark.parametrize("text", ["max_side", "max_side=", "max_side=x", "max_side=-1", "sides=3", "max_side=1e3"])
@pytest.mark.usefixtures("files")
def test_a_limit_that_is_none_is_a_wrong_argument(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info", "right.inr", "--limit", text]) == 2
    assert "max_macs_per_byte" in capfd.readouterr().err


@pytest.mark.usefixtures("files")
def test_a_limit_of_the_command_line_holds_and_what_a_refusal_names_lifts_it(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["decode", "right.inr", "-o", "a.png", "--limit", "max_weights=100"]) == 4
    cure = capfd.readouterr().err.split("to accept it, ")[1].split()
    assert cli.main(["decode", "right.inr", "-o", "a.png", "--limit", "max_weights=100", *cure]) == 0
    assert cli.main(["decode", "right.inr", "-o", "b.png", "--exact"]) == 0


@pytest.mark.usefixtures("files")
def test_verify_loads_no_torch() -> None:
    code = "import inrcodec.cli, sys; inrcodec.cli.main(['verify', 'right.inr']); assert 'torch' not in sys.modules"
    assert python("-c", code).returncode == 0
