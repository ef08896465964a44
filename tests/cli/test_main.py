"""The command line and what people do to it: one line on stderr, the documented exit code, and nothing changed."""

from pathlib import Path

import pytest

from inrcodec import cli, files
from tests.support.helpers import contents, python

BAD_INPUTS = [
    ("encode missing.png", 3, "missing.png: No such file"),
    ("encode missing.png -o taken.inr --force", 3, "missing.png: No such file"),
    ("encode directory.png -o new.inr", 3, "directory.png: no picture file in this folder"),
    ("encode text.png", 3, "text.png: not a readable picture"),
    ("encode empty.png -o new.inr", 3, "empty.png: not a readable picture"),
    ("encode good.inr -o new.inr", 3, "good.inr: is an .inr file already"),
    ("encode cut.png -o new.inr", 3, "cut.png: not a readable picture"),
    ("encode vast.png", 4, "vast.png: the picture is 9460x9460, over 89478485 pixels"),
    ("encode bomb.png", 4, "bomb.png: the picture is over 89478485 pixels"),
    ("decode missing.inr", 3, "missing.inr: No such file"),
    ("decode directory.png -o new.png", 3, "directory.png: no .inr file in this folder"),
    ("decode text.png -o new.png", 3, "text.png: not an .inr file"),
    ("decode empty.inr -o new.png", 3, "empty.inr: the file ends after 0 bytes"),
    ("decode cut.inr -o new.png", 3, "cut.inr: the file has 105 bytes and says that it has 106"),
    ("decode flipped.inr", 3, "flipped.inr: the checksum does not match"),
    ("decode newer.inr", 3, "newer.inr: the file has version 2"),
    ("decode flat.inr", 3, "flat.inr: height: 0"),
    ("decode absurd.inr --size 8x8", 4, "absurd.inr: the picture is 2147483647x2147483647"),
    ("decode deep.inr", 4, "deep.inr: the network has"),
    ("info missing.inr", 3, "missing.inr: No such file"),
    ("info directory.png", 3, "directory.png: no .inr file in this folder"),
    ("info photo.png", 3, "photo.png: not an .inr file"),
    ("info cut.inr --json", 3, "cut.inr: the file has 105 bytes"),
    ("info flipped.inr", 3, "flipped.inr: the checksum"),
    ("info newer.inr --json", 3, "newer.inr: the file has version 2"),
    ("info absurd.inr", 4, "absurd.inr: the picture is"),
]
BAD_OUTPUTS = [
    ("encode photo.png -o taken.inr", 5, "taken.inr: exists already"),
    ("encode text.png -o taken.inr", 5, "taken.inr: exists already"),  # found before the input is opened
    ("decode text.png -o taken.png", 5, "taken.png: exists already"),
    ("encode photo.png -o missing/new.inr", 5, "missing/new.inr: the directory missing does not exist"),
    ("encode photo.png -o photo.png --force", 2, "photo.png: encode writes .inr files"),
    ("encode photo.png -o folder.inr --force", 5, "folder.inr/photo.inr: is not a regular file"),
    ("encode photo.png cut.png -o taken.inr --force", 5, "taken.inr: is not a folder"),
    ("decode good.inr -o taken.png", 5, "taken.png: exists already"),
    ("decode good.inr -o folder.inr", 5, "folder.inr/good.png: exists already"),
    ("decode good.inr -o missing/new.png", 5, "missing/new.png: the directory missing does not exist"),
    ("decode text.png --force", 5, "text.png: is the input itself"),
    ("decode good.inr -o new.inr", 2, "new.inr: unknown kind of picture"),
    ("decode good.inr -o new", 2, "new: unknown kind of picture"),
]
BAD_REQUESTS = [
    *((f"decode good.inr --size {size}", 2, "--size") for size in ("8", "8x", "x8", "8x8x8", "axb", "-1x8", "8.5x8")),
    *((f"decode good.inr --scale {scale}", 2, "--scale") for scale in ("0", "-1", "nan", "inf", "1e7", "abc")),
    *((f"decode good.inr --region {box}", 2, "--region") for box in ("1", "0,0,5", "0,0,5,5,5", "a,b,c,d", "0,0,5,-1")),
    ("decode good.inr --region=-1,0,5,5", 2, "--region"),
    ("decode good.inr --region 1,0,7,5", 2, "region: 7x5 at x 1, y 0 is not inside the 7x5 picture"),
    ("decode good.inr --region 9999999999,0,1,1", 2, "region: "),
    ("decode good.inr --region 0,0,0,5", 2, "region: "),
    ("decode good.inr --size 0x8", 2, "size: 0x8 pixels make no picture"),
    ("decode good.inr --size 9999999999x9999999999", 4, "the output is to be 9999999999x9999999999, 131,072 allowed"),
    ("decode good.inr --size 8x8 --scale 2", 2, "--scale"),
    ("decode good.inr --scale 1000000", 4, "good.inr: the output is to be"),
    ("decode wide.inr", 4, "wide.inr: the output is to be 131072x131072, 17,179,869,184 pixels"),
    ("decode good.inr --device tpu", 2, "--device"),
    ("encode photo.png -q 101", 2, "quality: 101"),
    ("encode photo.png -e 0", 2, "effort: 0"),
    ("encode photo.png -e ten", 2, "--effort"),
    ("encode photo.png --prune 1", 2, "prune: 1.0"),
    ("encode photo.png --prune nan", 2, "prune: nan"),
    ("encode photo.png --seed -1", 2, "seed: -1"),
    ("encode", 2, "input"),
    ("transcode photo.png", 2, "transcode"),
    ("", 2, "encode | decode | view"),
    ("info good.inr --yaml", 2, "--yaml"),
    ("decode good.inr --format svg", 2, "--format svg: none of png, jpeg"),
    ("decode good.inr --depth 12", 2, "--depth"),
    ("decode good.inr -o new.jpg --depth 16", 2, "JPEG cannot hold 16 bits"),
    ("decode good.inr --metadata gps", 2, "metadata: 'gps'"),
    ("encode photo.png --metadata gps", 2, "metadata: 'gps'"),
    ("encode photo.png --time-limit 0", 2, "time_limit: 0.0"),
    ("encode photo.png --time-limit nan", 2, "time_limit: nan"),
    ("decode good.inr -j 0", 2, "--jobs 0"),
    ("decode good.inr --shard 0/2", 2, "--shard 0/2: I/N expected"),
    ("decode good.inr --shard 3/2", 2, "--shard 3/2: I/N expected"),
    ("decode good.inr --shard half", 2, "--shard half: I/N expected"),
    ("decode good.inr -o - --json", 2, "--json: standard output holds the file"),
    ("decode good.inr cut.inr -o -", 2, "name one input"),
    ("encode photo.png -", 2, "name one input"),
    ("compare photo.png", 2, "B"),
    ("compare photo.png missing.png", 3, "missing.png: No such file"),
    ("compare photo.png cut.inr", 3, "cut.inr: the file has 105 bytes"),
    ("compare photo.png photo.png -o taken.png", 5, "taken.png: exists already"),
    ("compare photo.png photo.png -o new.svg", 2, "new.svg: unknown kind of picture"),
    ("compare photo.png photo.png -o -", 2, "standard output holds the numbers"),
    ("compare photo.png good.inr --limit max_weights=1", 4, "good.inr: the network has 71 weights"),
]  # fmt: skip


def run(arguments: str) -> int:
    try:
        return cli.main(arguments.split())
    except SystemExit as stop:
        return int(stop.code or 0)


@pytest.mark.parametrize(("arguments", "code", "complaint"), BAD_INPUTS + BAD_OUTPUTS + BAD_REQUESTS)
def test_a_failure_is_one_line_with_its_exit_code_and_changes_nothing(
    workdir: Path, capfd: pytest.CaptureFixture[str], arguments: str, code: int, complaint: str
) -> None:
    before = contents(workdir)
    assert run(arguments) == code
    out, err = capfd.readouterr()
    assert err.startswith("inrcodec: ")
    assert err.count("\n") == 1
    assert complaint in err
    assert out == ""
    assert contents(workdir) == before


@pytest.mark.parametrize(("arguments", "code", "complaint"), [*BAD_INPUTS[:9], BAD_REQUESTS[0]])
def test_a_failure_of_the_process_is_the_same_line(workdir: Path, arguments: str, code: int, complaint: str) -> None:
    process = python("-m", "inrcodec.cli", *arguments.split())
    assert (process.returncode, process.stdout, process.stderr.count(b"\n")) == (code, b"", 1)
    assert process.stderr.startswith(b"inrcodec: ")
    assert complaint.encode() in process.stderr


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a\nb.inr", r"a\nb.inr"), ("\x1b[31m.inr", r"\x1b[31m.inr"), ("\u202etxt.inr", r"\u202etxt.inr"),
     ("caf\u00e9.inr", "caf\u00e9.inr"), ("\udcff.inr", r"\udcff.inr")],
)  # fmt: skip
def test_control_characters_of_a_name_are_escaped(
    workdir: Path, capfd: pytest.CaptureFixture[str], data: bytes, name: str, shown: str
) -> None:
    assert cli.main(["info", name]) == 3
    assert capfd.readouterr().err == f"inrcodec: {shown}: No such file or directory\n"
    Path(name).write_bytes(data)
    assert cli.main(["decode", name]) == 0
    assert capfd.readouterr().err == f"{shown.replace('.inr', '.png')}: 7x5\n"


@pytest.mark.parametrize("arguments", [["info", "a\x1bb", "--x\x1b"], ["\x1b[31m"], ["decode", "a", "--scale", "\x07"]])
def test_control_characters_of_a_command_line_are_escaped(
    capfd: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(arguments)
    assert capfd.readouterr().err.rstrip("\n").isprintable()


def test_a_bug_is_one_line_too_unless_debugging(
    workdir: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "read_bounded", lambda *arguments: 1 // 0)
    assert run("info good.inr") == 70
    assert capfd.readouterr().err.startswith("inrcodec: internal error, please report it: ZeroDivisionError")
    with pytest.raises(ZeroDivisionError):
        run("info good.inr --debug")


def test_memory_that_ends_anywhere_is_no_bug(
    workdir: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(files, "read_bounded", fail)
    assert run("info good.inr") == 6
    assert capfd.readouterr().err.startswith("inrcodec: out of memory: ")


def test_ctrl_c_exits_with_130(
    workdir: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "read_bounded", interrupt)
    assert run("decode good.inr") == 130
    assert capfd.readouterr().err == "inrcodec: stopped, no file was written\n"
