"""tools/measure/rd_curve.py: what it writes, what it keeps, and that one failure is not the end."""

import csv
import itertools
import json
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inrcodec import families
from inrcodec.encoding.encoder import Encoded
from inrcodec.families import StoredPicture
from inrcodec.families.siren.network import SirenArch
from inrcodec.families.siren.stored import SirenNetwork
from inrcodec.pictures import save
from tests.support.pictures import waves
from tools.measure import rd_curve
from tools.measure.rate_distortion import baselines, rd_report, rd_summary, rd_tables, rd_work
from tools.measure.rate_distortion.rd_summary import Results, read_published
from tools.measure.rate_distortion.rd_work import Picture, Row, Target

TARGETS = [Target("quality", value) for value in (30, 50, 70)]


# A run, with an encoder that answers at once


def answer(image: np.ndarray, target: Target, settings: rd_work.Settings) -> tuple[Encoded, float]:
    """Some file of the picture's size: longer for a higher target."""
    height, width, *colours = image.shape
    arch = SirenArch((4, round(target.value)), *(colours or [1]))
    rng = np.random.default_rng(round(target.value))
    symbols = tuple(rng.integers(-9, 10, shape).astype(np.int32) for shape in arch.param_shapes())
    data = families.write(StoredPicture(SirenNetwork(arch, symbols, (80,) * len(symbols)), height, width))
    return Encoded(data, height, width, 0.0, ()), 1.5


class Counted:
    """A function, and how often it was called."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.function, self.calls = function, 0

    def __call__(self, *arguments: object) -> object:
        self.calls += 1
        return self.function(*arguments)


@pytest.fixture
def encodes(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted(answer)
    monkeypatch.setattr(rd_work, "timed_encode", counted)
    return counted


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted(baselines.curve)
    monkeypatch.setattr(baselines, "curve", counted)
    return counted


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures, one of them grey and with a name that needs care; and plots that take no time."""
    monkeypatch.setattr(rd_report, "plot", lambda results, name, path: path.touch())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a & b.png").write_bytes(save.to_file(waves(20, 24, 1)[..., 0], "PNG"))
    (tmp_path / "in" / "c.png").write_bytes(save.to_file(waves(16, 20), "PNG"))
    return tmp_path


def run(folder: Path, *options: str) -> int:
    given = ["-q", "30", "50"] if not {"-q", "--bpp"} & set(options) else []
    codecs = ["--codecs", "JPEG", "WebP"]
    return rd_curve.main([str(folder / "in"), "--out", str(folder / "out"), "--jobs", "0", *codecs, *given, *options])


def test_a_run_writes_a_row_for_each_picture_and_target(folder: Path, encodes: Counted) -> None:
    assert run(folder, "--name", "my/run") == 0
    assert json.loads((folder / "out" / "my_run.json").read_text())["name"] == "my/run"
    with (folder / "out" / "rd.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["picture"], row["target"], row["value"]) for row in rows] == [
        ("a & b", "quality", "30"), ("a & b", "quality", "50"), ("c", "quality", "30"), ("c", "quality", "50"),
    ]  # fmt: skip
    for row in rows:
        data = (folder / "out" / "files" / row["file"]).read_bytes()
        assert int(row["file_bytes"]) == len(data)
        assert float(row["bpp"]) == 8 * len(data) / (int(row["width"]) * int(row["height"]))
    everything = json.loads((folder / "out" / "per_picture.json").read_text())
    assert [len(everything[name]["inrcodec"]) for name in ("a & b", "c")] == [2, 2]
    assert all(everything["c"]["baselines"][codec] for codec in ("JPEG", "WebP"))


def test_the_page_links_to_what_is_there(folder: Path, encodes: Counted) -> None:
    run(folder)
    page = (folder / "out" / "index.html").read_text()
    links = set(re.findall(r'(?:src|href)="([^"#]+)"', page))
    assert len(links) > 10
    for link in links:
        assert (folder / "out" / link).is_file(), link
    assert "a &amp; b" in page
    assert "no JPEG so small" in page
    assert "http" not in page


def test_a_second_run_encodes_nothing_again(folder: Path, encodes: Counted, searches: Counted) -> None:
    run(folder)
    assert (encodes.calls, searches.calls) == (4, 4)
    run(folder)
    assert (encodes.calls, searches.calls) == (4, 4)
    run(folder, "-q", "30", "50", "70")
    assert (encodes.calls, searches.calls) == (6, 4)
    run(folder, "--seed", "1")
    assert (encodes.calls, searches.calls) == (10, 4)
    run(folder, "--scale", "0.5")
    assert (encodes.calls, searches.calls) == (14, 8)


def test_damaged_results_are_measured_again(folder: Path, encodes: Counted, searches: Counted) -> None:
    run(folder)
    rows, kept = sorted((folder / "out" / "rows").iterdir()), sorted((folder / "out" / "baselines").iterdir())
    rows[0].write_bytes(rows[0].read_bytes()[:100])
    rows[1].write_text("[]")
    kept[0].write_text("{")
    (folder / "out" / "files" / f"{rows[2].stem}.inr").write_bytes(b"other")
    assert run(folder) == 0
    assert (encodes.calls, searches.calls) == (7, 5)


def test_another_encoder_measures_again(
    folder: Path, encodes: Counted, searches: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(folder)
    monkeypatch.setattr(rd_work, "source_digest", lambda: "another")
    run(folder)
    assert (encodes.calls, searches.calls) == (8, 4)


def test_a_broken_picture_is_one_line_and_the_others_are_done(
    folder: Path, encodes: Counted, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "in" / "broken.png").write_bytes(b"no picture")
    assert run(folder) == 1
    assert encodes.calls == 4
    output = capsys.readouterr()
    assert output.out.startswith("Files\n")
    assert [line for line in output.err.splitlines() if line.startswith("failed: ")] == [
        f"failed: {folder / 'in' / 'broken.png'}: not a readable picture (cannot identify image file)"
    ]


def test_a_failing_encode_is_one_line_and_its_picture_is_left_out_of_the_means(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(image: np.ndarray, target: Target, settings: rd_work.Settings) -> object:
        if image.ndim == 2 and target.value == 50:
            raise RuntimeError("out of\nsomething")
        return answer(image, target, settings)

    monkeypatch.setattr(rd_work, "timed_encode", refuse)
    assert run(folder) == 1
    output = capsys.readouterr()
    assert output.err.splitlines()[-1] == "failed: a & b at q 50: RuntimeError: out of something"
    assert re.search(r"^a & b +24x20 +q 50 +failed", output.out, re.MULTILINE)
    assert "Means of 1 of 2 pictures" in output.out
    assert json.loads((folder / "out" / "inrcodec.json").read_text())["images"] == ["c"]


def test_ctrl_c_keeps_what_is_finished(
    folder: Path, encodes: Counted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(jobs: list, *options: object) -> object:
        yield 0, jobs[0].run()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rd_curve, "run_all", stopped)
        assert run(folder) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert run(folder) == 0
    assert encodes.calls == 4


def test_a_real_encode_is_measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    try:
        assert run(folder, "-q", "0", "-e", "1", "--codecs", "WebP") == 0
    finally:
        torch.set_num_threads(threads)
    results = json.loads((folder / "out" / "inrcodec.json").read_text())["results"]
    assert results["psnr-rgb"][0] > 10
    assert results["encoding_time"][0] > results["decoding_time"][0] > 0


@pytest.mark.parametrize(
    "options",
    [
        ["-q", "101"],
        ["-e", "10"],
        ["--device", "tpu"],
        ["--published", "missing.json"],
        ["--range", "0", "1"],
        ["--jobs", "-1"],
    ],
)
def test_wrong_arguments_are_refused_before_any_work(folder: Path, encodes: Counted, options: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        run(folder, *options)
    assert stop.value.code == 2
    assert not (folder / "out").exists()


# What is made of the figures


def fractions_of_jpeg(fraction: float, count: int = 2) -> Results:
    """Pictures on which ours take so much of JPEG's bytes at its PSNRs; JPEG's are 32 kB, 34 dB at 1 bpp."""
    pictures = [Picture(f"p{index}", np.full((512, 512), index, np.uint8)) for index in range(count)]
    sizes = [round(32768 * 2 ** (step / 10)) for step in range(-60, 21)]
    curve = [baselines.Point(size, 34 + 3 * math.log2(size / 32768), {}) for size in sizes]
    results = Results(pictures, list(TARGETS), ["JPEG"], (0.15, 0.8))
    for picture in pictures:
        results.curves[picture.name, "JPEG"] = curve
        for target, size in zip(TARGETS, (sizes[25], sizes[40], sizes[65]), strict=True):
            file_bytes = round(fraction * size)
            psnr = 34 + 3 * math.log2(size / 32768)
            row = Row(512, 512, file_bytes, 8 * file_bytes / 512**2, psnr, 0.9, 2.0, 0.1, "f.inr", "")
            results.rows[picture.name, target] = row
    return results


def test_the_table_of_bd_rates() -> None:
    table = rd_tables.bd_table(fractions_of_jpeg(0.8))
    assert table.head == ["picture", "JPEG"]
    assert table.rows == [[name, "-20.0 % (100%)"] for name in ("p0", "p1", "mean", "mean curve")]


def test_the_gain_at_equal_bytes_is_that_of_the_line() -> None:
    (row, *_) = rd_tables.means_table(fractions_of_jpeg(0.5)).rows
    assert row[rd_tables.means_table(fractions_of_jpeg(0.5)).head.index("over JPEG")] == "+3.00"


def test_a_single_target_has_no_bd_rate_and_no_picture_no_means() -> None:
    results = fractions_of_jpeg(0.8)
    del results.targets[1:]
    assert [table.title for table in rd_tables.tables(results)] == ["Files", "Means of 2 of 2 pictures"]
    results.rows.clear()
    assert [table.title for table in rd_tables.tables(results)] == ["Files"]
    assert rd_summary.means(results) == []


def test_the_json_is_compressais() -> None:
    settings = rd_work.Settings(5, "cpu", 0, 1)
    content = json.loads(rd_report.as_json(rd_report.compressai(fractions_of_jpeg(0.8), settings, "inrcodec")))
    assert content["name"] == "inrcodec"
    assert isinstance(content["description"], str)
    assert list(content["results"]) == ["bpp", "psnr-rgb", "ms-ssim-rgb", "encoding_time", "decoding_time"]
    assert all(len(values) == 3 for values in content["results"].values())
    assert content["results"]["bpp"] == sorted(content["results"]["bpp"])


def test_what_is_not_finite_is_not_in_the_json() -> None:
    results = fractions_of_jpeg(0.8, 1)
    row = results.rows["p0", TARGETS[2]]
    results.rows["p0", TARGETS[2]] = Row(*list(vars(row).values())[:4], math.inf, math.nan, 2.0, 0.1, "f.inr", "")
    content = rd_report.compressai(results, rd_work.Settings(5, "cpu", 0, 1), "ours")
    assert list(content["results"]) == ["bpp", "encoding_time", "decoding_time"]
    text = rd_report.as_json(rd_report.per_picture(results))
    assert json.loads(text, parse_constant=pytest.fail)["p0"]["inrcodec"][2]["psnr"] is None
    assert rd_tables.bd_table(results).rows[0][1].startswith("-20.0 %")


def test_published_curves_of_both_layouts(tmp_path: Path) -> None:
    ours = {"name": "mine", "results": {"bpp": [1.0, 0.5], "psnr-rgb": [33.0, 30.0]}, "images": ["a", "b"]}
    (tmp_path / "compressai.json").write_text(json.dumps({**ours, "description": ""}))
    (tmp_path / "several.json").write_text(
        json.dumps({"COIN": {"bpp": [0.1], "psnr": [22.0], "source": ""}, "NIF": {"bpp": [0.3], "psnr": [28.0]}})
    )
    (curve,) = read_published(tmp_path / "compressai.json", [])
    assert (str(curve), curve.points) == ("mine (mean of 2)", [(0.5, 30.0), (1.0, 33.0)])
    assert [str(curve) for curve in read_published(tmp_path / "several.json", [])] == [
        "COIN (published)", "NIF (published)",
    ]  # fmt: skip
    assert [curve.name for curve in read_published(tmp_path / "several.json", ["NIF"])] == ["NIF"]


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"a": {}}', '{"a": {"bpp": [0], "psnr": [1]}}', '{"a": {"bpp": [1], "psnr": []}}', '{"a": 3}']
)
def test_files_without_curves_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "f.json").write_text(text)
    with pytest.raises(ValueError, match=r"f.json: no rate-distortion curves"):
        read_published(tmp_path / "f.json", [])


def test_published_curves_are_compared_with_our_mean_and_drawn(tmp_path: Path) -> None:
    results = fractions_of_jpeg(0.8)
    theirs = rd_summary.mean_baseline_curve(results, "JPEG")
    results.published.append(rd_summary.Published("JPEG", theirs, None))
    assert rd_tables.published_table(results).rows == [["JPEG (published)", "-20.0 % (100%)"]]
    first, *others = rd_report.panels(results)
    assert first.published == results.published
    assert [panel.title for panel in others] == ["p0", "p1"]
    pytest.importorskip("matplotlib", reason="the extra eval is not installed")
    rd_report.plot(results, "ours", tmp_path / "rd.png")
    with Image.open(tmp_path / "rd.png") as drawn:
        assert drawn.width > 800


def test_our_curve_is_drawn_through_all_its_points_in_the_shape_that_bd_rate_takes() -> None:
    points = [(0.15, 24.96), (0.3, 27.13), (0.8, 30.7)]
    rates, psnrs = rd_report.smooth(points)
    for rate, psnr in points:
        assert rates[psnrs.index(psnr)] == pytest.approx(rate)
    straight = np.interp(0.5, *zip(*points, strict=True))
    assert np.interp(0.5, rates, psnrs) > straight + 0.1
    assert rd_report.smooth(points[:1]) == ([pytest.approx(0.15)], [24.96])


def test_without_matplotlib_the_plot_is_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    results = rd_summary.Results([], [], [], (0.1, 0.8))
    settings = rd_work.Settings(effort=1, device="cpu", seed=0, threads=1)
    assert rd_report.write_all(results, settings, "ours", tmp_path) == ["per_picture.json", "rd.csv"]
    assert capsys.readouterr().err == (
        "the plot, rd.png, needs matplotlib, which is not installed: pip install matplotlib\n"
    )


# The baselines


def test_the_envelope_keeps_what_no_smaller_file_equals_or_beats() -> None:
    rng = np.random.default_rng(0)
    points = [baselines.Point(int(size), float(psnr), {}) for size, psnr in rng.integers(1, 60, (200, 2))]
    kept = baselines.upper_envelope(points)
    for one, other in itertools.pairwise(kept):
        assert one.file_bytes < other.file_bytes
        assert one.psnr < other.psnr
    for point in points:
        assert any(best.file_bytes <= point.file_bytes and best.psnr >= point.psnr for best in kept)


def test_psnr_between_files_is_linear_in_log_bytes_and_unknown_beyond_them() -> None:
    points = [baselines.Point(100, 20.0, {}), baselines.Point(400, 30.0, {})]
    assert [baselines.psnr_at(points, size) for size in (100, 200, 400)] == pytest.approx([20, 25, 30])
    assert baselines.psnr_at(points, 99) is None
    assert baselines.psnr_at(points, 401) is None


def test_the_best_file_within_a_size_or_the_smallest() -> None:
    points = [baselines.Point(100, 20.0, {}), baselines.Point(400, 30.0, {})]
    assert [baselines.best_within(points, size).file_bytes for size in (50, 100, 399, 400, 999)] == [
        100, 100, 100, 400, 400,
    ]  # fmt: skip


@pytest.mark.parametrize("codec", baselines.CODECS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (9, 5, 3), (24, 16, 3)])
def test_every_codec_takes_pictures_of_any_size(codec: str, shape: tuple[int, ...]) -> None:
    image = waves(shape[0], shape[1], 3)[..., : shape[2]] if len(shape) == 3 else waves(*shape, 1)[..., 0]
    settings = list(baselines.CODECS[codec].settings(shape))
    for options in (settings[0], settings[-1]):
        assert baselines.decode(baselines.encode(codec, image, options), image).shape == shape
