"""tools/measure/sweep.py and tools/measure/rounding.py: which trials they make, and what they make of their figures."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from inrcodec import families, metrics
from inrcodec.decoding import decoder
from inrcodec.encoding.config import EncoderConfig
from inrcodec.families import StoredPicture
from inrcodec.families.siren import ladder
from inrcodec.families.siren.network import SirenArch
from inrcodec.families.siren.plan import plan
from inrcodec.families.siren.stored import SirenNetwork
from inrcodec.families.siren.tensors import FloatNetwork
from inrcodec.families.training import TrainerOptions
from inrcodec.pictures import save
from tests.support.pictures import waves
from tools.measure import rounding, rounding_tables, sweep, trial
from tools.measure.rounding_tables import Compared

KNOWN = sweep.defaults(EncoderConfig())


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "small.png"
    path.write_bytes(save.to_file(waves(24, 32), "PNG"))
    return str(path)


@pytest.fixture(autouse=True)
def threads() -> object:
    """The tools set the number of threads of their processes; here that is this one."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


# Which trials a sweep makes


def test_settings_take_values_with_commas_and_add() -> None:
    levers = sweep.parse_levers(["fit.rate=5e-2,1e-1", "fit.batch=4e3", "fit.rate=0.2", "seed=0,1"], KNOWN)
    assert levers == {"fit.rate": [0.05, 0.1, 0.2], "fit.batch": [4000], "seed": [0, 1]}
    assert isinstance(levers["fit.batch"][0], int)


def test_a_shape_is_one_value() -> None:
    assert sweep.parse_levers(["shape=1.5,1", "shape=1"], KNOWN) == {"shape": [(1.5, 1.0), (1.0,)]}


@pytest.mark.parametrize(
    "text", ["fit.rate", "rate=1", "fit.seed=1", "fit.batch=1.5", "fit.rate=x", "weights=", "shape=1,", "seed=-1",
             "fit.rate=inf", "fit.rate=nan"]
)  # fmt: skip
def test_what_is_no_setting_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        sweep.main(["--set", text])
    assert stop.value.code == 2
    assert f"--set {text}" in capsys.readouterr().err


def test_the_product_has_the_defaults_and_each_combination_once() -> None:
    levers = sweep.parse_levers(["seed=0,1", "fit.batch=8192,4096"], KNOWN)
    assert [sweep.spelled(one) for one in sweep.product(levers, KNOWN)] == [
        "defaults", "fit.batch=4096", "seed=1", "seed=1 fit.batch=4096",
    ]  # fmt: skip


def test_one_at_a_time_has_the_defaults_and_each_change_once() -> None:
    levers = sweep.parse_levers(["seed=0,1", "fit.batch=8192,4096", "shape=1.5,1"], KNOWN)
    assert [sweep.spelled(one) for one in sweep.one_at_a_time(levers, KNOWN)] == [
        "defaults", "seed=1", "fit.batch=4096", "shape=1.5,1",
    ]  # fmt: skip


def test_a_trial_of_the_defaults_is_the_encoders_own_fit() -> None:
    config, codes = EncoderConfig(effort=4, seed=3), waves(24, 32)
    job = sweep.Job(sweep.Picture("p", codes), (), sweep.defaults(config), config, 0.4)
    arch = ladder.choose_arch(*codes.shape, ladder.point_of_quality(50).weights_per_pixel)
    assert job._fit(arch) == plan(TrainerOptions(4, 3), ladder.point_of_quality(50), arch).fit
    assert job._init(codes.shape) == ladder.init_config(24, 32)


def row(settings: str, psnr: float, size: int, picture: str = "p") -> sweep.Row:
    return sweep.Row(picture, settings, (4,), 100, psnr, size, 8 * size / 100, 1.0)


def test_a_doubling_of_the_bytes_is_worth_the_slope() -> None:
    rows = [row("more", 31.5, 2000), row("defaults", 30, 1000), row("fewer", 29.5, 500)]
    assert sweep.scores(rows, 1.5) == pytest.approx([30, 30, 31])
    assert [line[0] for line in sweep.table(rows, 1.5, "p").rows] == ["fewer", "more", "defaults"]


def test_there_is_no_score_without_the_defaults_nor_a_mean_score_of_some_pictures() -> None:
    rows = [row("defaults", 30, 1000), row("a", 32, 1000), row("a", 32, 1000, "q"), row("b", 40, 1000)]
    assert sweep.scores(rows, 1.5) == [30, 32, None, 40]
    assert {line[0]: line[1] for line in sweep.table(rows, 1.5, "p").rows} == {"defaults": "-", "a": "-", "b": "-"}


def test_a_sweep_fits_and_keeps_its_rows(picture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rows.jsonl"
    options = ["--set", "shape=1.5,1", "--set", "fit.rate=0,0.05", "--one-at-a-time", "--jobs", "0", "-e", "1"]
    assert sweep.main([picture, *options, "-q", "80", "--out", str(out)]) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert {row["settings"] for row in rows} == {"defaults", "shape=1.5,1", "fit.rate=0", "fit.rate=0.05"}
    found = {row["settings"]: row for row in rows}
    assert found["defaults"]["score"] == found["defaults"]["psnr"] > found["fit.rate=0"]["psnr"] + 3
    assert len(found["shape=1.5,1"]["dim_hidden"]) == 2
    output = capsys.readouterr()
    assert output.out.splitlines()[-1].startswith("fit.rate=0 ")
    assert "4/4 done" in output.err


# What the comparison of roundings makes of its figures


def test_bits_at_a_loss_are_linear_in_its_logarithm() -> None:
    points = [(4.0, 0.8), (6.0, 0.05), (5.0, 0.2)]
    assert rounding_tables.bits_at(points, 0.4) == pytest.approx(4.5)
    assert rounding_tables.bits_at(points, 0.2) == pytest.approx(5.0)
    assert rounding_tables.bits_at(points, 0.1) == pytest.approx(5.5)


def test_bits_at_a_loss_that_no_files_enclose_are_unknown() -> None:
    assert rounding_tables.bits_at([(4.0, 0.8), (6.0, 0.5)], 0.3) is None
    assert rounding_tables.bits_at([(4.0, 0.2), (6.0, 0.1)], 0.3) is None
    assert rounding_tables.bits_at([], 0.3) is None


def test_a_file_better_than_the_float_network_counts_as_no_loss() -> None:
    assert 4 < rounding_tables.bits_at([(4.0, 0.8), (6.0, -0.1)], 0.3) < 5


def file(method: str, size: int, psnr: float, picture: str = "p") -> rounding_tables.Row:
    return rounding_tables.Row(picture, method, 0.4, 800, size, size / 100, 4.0, psnr, 32 - psnr, 1.0)


def test_the_gain_is_at_equal_bytes() -> None:
    rows = [file("nearest", 400, 30), file("nearest", 100, 28), file("staged", 200, 31), file("staged", 99, 40)]
    assert rounding_tables.gain_over_nearest(rows, "staged") == pytest.approx(2)
    assert rounding_tables.gain_over_nearest(rows, "nearest") == pytest.approx(0)
    assert rounding_tables.gain_over_nearest(rows, "at once") is None


def test_a_mean_is_over_all_pictures_or_unknown() -> None:
    good = [file("nearest", 400, 31.9), file("nearest", 100, 31.1)]
    one, two = (Compared(name, 800, 32.0, 1, 1, 1, rows) for name, rows in (("p", good), ("q", good[1:])))
    bits = rounding_tables.bits_at([(4, 0.1), (1, 0.9)])
    assert rounding_tables.summary([one], ["nearest"])["mean"]["nearest"][0] == pytest.approx(bits)
    assert rounding_tables.summary([one, two], ["nearest"])["mean"]["nearest"][0] is None


def test_the_psnr_of_a_network_is_that_of_its_decoded_file() -> None:
    arch, codes, rng = SirenArch((8, 4)), waves(24, 32), np.random.default_rng(0)
    symbols = tuple(rng.integers(-9, 10, shape).astype(np.int32) for shape in arch.param_shapes())
    model = StoredPicture(SirenNetwork(arch, symbols, (200,) * len(symbols)), 24, 32)
    network = FloatNetwork(arch, model.network.dequantize(), trial.CPU)
    decoded = decoder.decode(families.write(model))
    assert trial.drawn_psnr(network, codes) == pytest.approx(metrics.psnr(codes, decoded), abs=1e-3)


def test_a_comparison_rounds_in_all_ways(picture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rounding.json"
    options = ["-e", "1", "-q", "75", "--noise", "0.1", "1.6", "--jobs", "0", "--out", str(out)]
    assert rounding.main([picture, *options]) == 0
    content = json.loads(out.read_text())
    rows = content["pictures"][0]["rows"]
    assert [(row["noise"], row["method"]) for row in rows] == [
        (noise, method) for noise in (0.1, 1.6) for method in rounding.METHODS
    ]
    nearest, *others = rows[4:]
    assert all(row["psnr"] > nearest["psnr"] - 0.05 for row in others)
    assert others[-1]["loss"] < 0.8 * nearest["loss"]
    assert list(content["summary"]) == ["small", "mean"]
    output = capsys.readouterr()
    assert "Bits per weight at 0.3 dB loss from rounding" in output.out
    assert "small: noise 1.6, staged" in output.err
