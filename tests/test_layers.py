"""The shape of the house: imports go down only, heavy ones stay where they belong, only some print."""

import ast
from pathlib import Path

import pytest

from tests.helpers import python

PACKAGE = Path(__file__).resolve().parent.parent / "inrcodec"

RANKS = {
    "errors": 0, "progress": 0, "metrics": 0, "siren": 0, "resample": 0, "icc": 0, "orientation": 0,
    "checks": 1, "threads": 1, "pool": 2, "extras": 1,
    "codelength": 1, "metadata": 2, "entropy": 1, "pixels": 1, "files": 1, "memory": 1, "state": 1, "terminal": 1,
    "checkpoint": 2, "config": 3, "optim": 2,
    "deep": 2, "limits": 2, "rasters": 3, "sheets": 2, "model": 2, "kernels": 2,
    "backends": 3, "bitstream": 3, "network": 3,
    "images": 4,
    "decoder": 4, "derivatives": 2, "describe": 4, "fit": 4, "modules": 4,
    "conformance": 5, "curvature": 5, "ladder": 5, "pilot": 5,
    "compress": 6, "estimate": 6, "resume": 6,
    "targets": 7, "plan": 7,
    "deadline": 8, "goals": 8,
    "encoder": 9,
    "arguments": 2, "batch": 3, "commands": 5,
    "viewer": 5, "glsl": 4, "cmd_view": 6,
    "cmd_decode": 6, "cmd_compare": 6, "cmd_info": 6, "cmd_completion": 3, "cmd_encode": 11, "pillow_plugin": 11,
    "stores": 2, "manifest": 2, "fleet": 11, "cmd_fleet": 12,
    "cli": 13, "__init__": 13, "__main__": 14,
}  # fmt: skip
"""Every module and its rank; a module imports only from lower ranks."""

TORCH = {
    "memory", "modules", "optim", "network", "fit", "curvature", "compress", "estimate", "targets", "goals", "encoder",
}  # fmt: skip
"""Modules that import torch when they are imported."""


def imports(path: Path) -> list[tuple[str, bool]]:
    """(module, whether at import time) of each import statement of a file, those for type checkers left out."""
    found = []

    def visit(node: ast.AST, at_import: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.Import):
            found.extend((alias.name, at_import) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names] if node.module == "inrcodec" else []
            found.extend((f"inrcodec.{name}", at_import) for name in names)
            found.append((node.module or "", at_import))
        for child in ast.iter_child_nodes(node):
            visit(child, at_import and not isinstance(node, ast.FunctionDef))

    visit(ast.parse(path.read_text()), True)
    return found


def test_the_table_names_every_module() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == set(RANKS)


@pytest.mark.parametrize("module", RANKS)
def test_imports_go_down_only(module: str) -> None:
    for name, _ in imports(PACKAGE / f"{module}.py"):
        if name.startswith("inrcodec.") and name.removeprefix("inrcodec.") in RANKS:
            assert RANKS[name.removeprefix("inrcodec.")] < RANKS[module], f"{module} imports {name}"


@pytest.mark.parametrize("module", RANKS)
def test_torch_is_imported_by_the_encoders_side_only(module: str) -> None:
    loads = any(name.split(".")[0] == "torch" for name, at_import in imports(PACKAGE / f"{module}.py") if at_import)
    assert loads == (module in TORCH)


def test_torchao_is_imported_inside_one_function_only() -> None:
    users = {
        (path.stem, at_import)
        for path in PACKAGE.glob("*.py")
        for name, at_import in imports(path)
        if name.split(".")[0] == "torchao"
    }
    assert users == {("compress", False)}


@pytest.mark.parametrize("module", RANKS)
def test_only_the_command_line_and_its_terminal_print(module: str) -> None:
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    names = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert "print" not in names or module in ("cli", "terminal", "batch") or module.startswith("cmd_")


def loaded(code: str) -> set[str]:
    """Which of torch and torchao a fresh interpreter has loaded after `code`."""
    process = python("-c", f"{code}\nimport sys\nprint(*({{'torch', 'torchao'}} & set(sys.modules)))")
    assert process.returncode == 0, process.stderr
    return set(process.stdout.decode().split())


def test_importing_the_package_loads_no_torch() -> None:
    assert loaded("import inrcodec, inrcodec.cli") == set()


def test_decoding_in_numpy_loads_no_torch(data: bytes) -> None:
    assert loaded(f"import inrcodec; inrcodec.decode({data!r}, (9, 9)); inrcodec.open({data!r})") == set()


def test_the_check_for_torch_can_fail() -> None:
    assert loaded("import inrcodec; inrcodec.encode") == {"torch"}


def test_public_names_resolve_and_others_do_not() -> None:
    import inrcodec

    for name in inrcodec.__all__:
        assert getattr(inrcodec, name) is not None
        assert name in dir(inrcodec)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = inrcodec.nonsense
