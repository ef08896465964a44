"""The shape of the house: imports go down only, heavy ones stay where they belong, only some print."""

import ast
from pathlib import Path

import pytest

from tests.support.helpers import ROOT, python

PACKAGE = ROOT / "inrcodec"

RANKS = {
    "errors": 0, "metrics": 0, "progress": 0, "checks": 1, "extras": 1, "files": 1, "pixels": 1, "fleet": 11,
    "pillow_plugin": 11, "__init__": 13, "cli": 13, "__main__": 14,
    "format": 0, "compute": 0, "fitting": 0, "families": 0, "families.siren": 0, "decoding": 0, "pictures": 0,
    "encoding": 0, "export": 0,
    "format.icc": 0, "format.orientation": 0, "format.codelength": 1, "format.entropy": 1, "format.limits": 2,
    "format.metadata": 2, "format.container": 3,
    "compute.memory": 1, "compute.threads": 1, "compute.sine": 2, "compute.backends": 3,
    "fitting.state": 1, "fitting.soap": 2, "fitting.loop": 4,
    "families.siren.network": 0, "families.siren.model": 2, "families.siren.trainer": 3,
    "families.siren.curvature": 5, "families.siren.ladder": 5, "families.siren.quantize": 6,
    "decoding.resample": 0, "decoding.derivatives": 2, "decoding.decoder": 4, "decoding.describe": 4,
    "decoding.torch_module": 4, "decoding.conformance": 5,
    "pictures.deep": 2, "pictures.sheets": 2, "pictures.save": 3, "pictures.load": 4,
    "encoding.config": 3, "encoding.pilot": 5, "encoding.estimate": 6, "encoding.resume": 6, "encoding.plan": 7,
    "encoding.targets": 7, "encoding.deadline": 8, "encoding.goals": 8, "encoding.encoder": 9,
    "export.glsl": 4, "export.page": 5,
    "fleet.manifest": 2, "fleet.stores": 2,
    "cli.terminal": 1, "cli.arguments": 2, "cli.checkpoint": 2, "cli.pool": 2, "cli.batch": 3, "cli.completion": 3,
    "cli.commands": 5, "cli.compare": 6, "cli.decode": 6, "cli.info": 6, "cli.view": 6, "cli.encode": 11,
    "cli.fleet": 12, "cli.__main__": 14,
}  # fmt: skip
"""Every module and its rank; a module imports only from lower ranks."""

TORCH = {
    "compute.memory", "decoding.torch_module", "encoding.encoder", "encoding.estimate", "encoding.goals",
    "encoding.targets", "families.siren.curvature", "families.siren.quantize", "families.siren.trainer",
    "fitting.loop", "fitting.soap",
}  # fmt: skip
"""Modules that import torch when they are imported."""


def path_of(name: str) -> Path | None:
    """The file of a module of the package, which a name with dots may or may not be."""
    path = PACKAGE.parent.joinpath(*name.split("."))
    if name == "inrcodec" or not name.startswith("inrcodec."):
        return None
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def file_of(module: str) -> Path:
    """The file of a module in the table of ranks."""
    path = path_of(f"inrcodec.{module}")
    assert path is not None, module
    return path


def imports(path: Path) -> list[tuple[str, bool]]:
    """(module, whether at import time) of each import statement of a file, those for type checkers left out."""
    found = []

    def visit(node: ast.AST, at_import: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.Import):
            found.extend((alias.name, at_import) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            modules = [f"{module}.{alias.name}" for alias in node.names if path_of(f"{module}.{alias.name}")]
            found.extend((name, at_import) for name in modules or [module])
        for child in ast.iter_child_nodes(node):
            visit(child, at_import and not isinstance(node, ast.FunctionDef))

    visit(ast.parse(path.read_text()), True)
    return found


def test_the_table_names_every_module() -> None:
    parts = [path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("*.py")]
    names = {".".join(part[:-1] if len(part) > 1 and part[-1] == "__init__" else part) for part in parts}
    assert names == set(RANKS)


@pytest.mark.parametrize("module", RANKS)
def test_imports_go_down_only(module: str) -> None:
    for name, _ in imports(file_of(module)):
        if name.startswith("inrcodec.") and name.removeprefix("inrcodec.") in RANKS:
            assert RANKS[name.removeprefix("inrcodec.")] < RANKS[module], f"{module} imports {name}"


@pytest.mark.parametrize("module", RANKS)
def test_torch_is_imported_by_the_encoders_side_only(module: str) -> None:
    loads = any(name.split(".")[0] == "torch" for name, at_import in imports(file_of(module)) if at_import)
    assert loads == (module in TORCH)


def test_torchao_is_imported_inside_one_function_only() -> None:
    users = {
        (path.stem, at_import)
        for path in PACKAGE.rglob("*.py")
        for name, at_import in imports(path)
        if name.split(".")[0] == "torchao"
    }
    assert users == {("quantize", False)}


@pytest.mark.parametrize("module", RANKS)
def test_only_the_command_line_and_its_terminal_print(module: str) -> None:
    tree = ast.parse(file_of(module).read_text())
    names = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert "print" not in names or module.split(".")[0] == "cli"


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
