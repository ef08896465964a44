"""Decoding touches nothing but its bytes: no file, no process, no import; nor does any setting of the host matter."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inrcodec import bitstream, conformance, decoder
from tests.helpers import ENVIRONMENT, ROOT, python, small_model

PACKAGE = sorted((ROOT / "inrcodec").glob("*.py"))
DATA = bitstream.write(conformance.certify(small_model()))

AUDIT = f"""
import sys, inrcodec
data = {DATA!r}
inrcodec.decode(data, (9, 9)); inrcodec.decode(data, exact=True)
seen = []
ours = ("open", "os.", "socket.", "subprocess.", "exec", "compile", "import", "pickle.", "ctypes.", "shutil.")
sys.addaudithook(lambda event, args: seen.append(event) if event.startswith(ours) else None)
inrcodec.decode(data, (64, 64)); inrcodec.decode(data, exact=True); inrcodec.verify(data)
"""


def events(also: str = "") -> str:
    """What a decode has asked of the system, in a fresh interpreter that has decoded before."""
    process = python("-c", f"import inrcodec; inrcodec.verify({DATA!r})\n{AUDIT}\n{also}\nprint(*seen)")
    assert process.returncode == 0, process.stderr
    return process.stdout.decode().strip()


def test_decoding_asks_nothing_of_the_system() -> None:
    assert events() == ""


def test_the_check_can_fail() -> None:
    assert events("open('/dev/null')") == "open"


BANNED_CALLS = {"eval", "exec", "compile", "__import__", "system", "popen", "load", "loads", "unpickle"}
BANNED_MODULES = {"pickle", "marshal", "shelve", "dill", "subprocess", "ctypes", "socket", "urllib", "http"}


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.stem)
def test_no_module_can_run_what_a_file_says(path: Path) -> None:
    """json.loads is the one parser of text that is allowed, and nothing here uses even that."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", None) or ""}
            assert not {name.split(".")[0] for name in names} & BANNED_MODULES
        if isinstance(node, ast.Call):
            function = node.func
            name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            receiver = getattr(function, "value", None)
            assert name not in BANNED_CALLS or (name == "load" and isinstance(receiver, ast.Name | ast.Attribute)), name
            assert not {"shell", "allow_pickle"} & {keyword.arg for keyword in node.keywords}
        if isinstance(node, ast.Attribute) and node.attr == "load":
            assert not (isinstance(node.value, ast.Name) and node.value.id in ("torch", "np", "numpy"))


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.stem)
def test_no_module_validates_with_assert(path: Path) -> None:
    """python -O would leave them out."""
    assert not [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Assert)]


def drawn(setting: str, *flags: str, environment: dict[str, str] | None = None) -> bytes:
    """A picture drawn by NumPy in both classes and by torch, in a fresh interpreter where a setting was made before."""
    code = (
        f"import sys, torch, numpy as np\n{setting}\nfrom inrcodec import decode\n"
        f"data = {DATA!r}\n"
        "from inrcodec import bitstream, decoder\n"
        "model = bitstream.read(data)\n"
        "on_torch = decoder.Picture(model, decoder.torch_backend(model, 'cpu', np.float64))\n"
        "for picture in (decode(data, (20, 30)), decode(data, exact=True), on_torch.render()):\n"
        "    sys.stdout.buffer.write(picture.tobytes())\n"
    )
    process = subprocess.run(
        [sys.executable, *flags, "-c", code], capture_output=True, env=ENVIRONMENT | (environment or {}), check=False
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


SETTINGS = {
    "TF32": "torch.backends.cuda.matmul.allow_tf32 = True; torch.set_float32_matmul_precision('medium')",
    "default dtype": "torch.set_default_dtype(torch.float64)",
    "grad": "torch.set_grad_enabled(True)",
    "autocast": "torch.autocast('cpu', dtype=torch.bfloat16).__enter__()",
    "one thread": "torch.set_num_threads(1)",
    "numpy raises": "np.seterr(all='raise')",
    "deterministic": "torch.use_deterministic_algorithms(True)",
    "numpy prints": "np.set_printoptions(precision=1)",
    "locale": "import locale; locale.setlocale(locale.LC_ALL, '')",
}


def test_no_setting_of_the_host_program_changes_a_sample() -> None:
    """All at once: any one that mattered would show."""
    plain = drawn("")
    height, width = 20, 30
    assert len(plain) == 3 * (height * width + 2 * 35)
    assert drawn("\n".join(SETTINGS.values()), environment={"LANG": "C.UTF-8"}) == plain
    assert drawn("", "-O", "-W", "error::DeprecationWarning:inrcodec") == plain


def test_settings_of_the_host_program_are_left_as_they_were() -> None:
    before = np.geterr()
    decoder.decode(DATA)
    assert np.geterr() == before
