"""The shape of the house: rooms import lower rooms only, and what is heavy, or one family's, stays where it belongs."""

import ast
import re

import pytest

from inrcodec import families
from tests.support.grids import grid_picture
from tests.support.helpers import ROOT, python
from tools.measure.house import House, Module

HOUSE = House(ROOT / "inrcodec")

RANKS = {
    0: {"errors"},
    1: {"installed", "progress", "metrics", "pixels"},
    2: {"format", "compute", "files"},
    3: {"fitting", "pictures"},
    4: {"families"},
    5: {"decoding"},
    6: {"encoding"},
    7: {"export"},
    8: {"pillow_plugin", "fleet"},
    9: {"cli"},
    10: {"__init__", "__main__"},
}
"""Rooms, and modules beside them, by rank: they import lower ranks, and a room imports itself."""

TORCH = {
    "compute.recorded", "compute.torch_backend", "fitting.loop", "fitting.soap", "fitting.target",
    "families.siren.curvature", "families.siren.gradients", "families.siren.plan", "families.siren.quantize",
    "families.siren.tensors", "families.siren.trainer",
    "families.grid.kit", "families.grid.module", "families.grid.trainer",
    "decoding.torch_module",
}  # fmt: skip
"""Modules that import torch themselves when they are imported."""

MODULES = pytest.mark.parametrize("module", HOUSE.modules, ids=lambda module: module.name)


def rank(module: Module) -> int:
    return next(rank for rank, rooms in RANKS.items() if module.room in rooms)


def test_every_room_has_a_rank() -> None:
    assert {module.room for module in HOUSE.modules} == set.union(*RANKS.values())


@MODULES
def test_a_room_imports_lower_ranks_and_itself(module: Module) -> None:
    for other in HOUSE.imports(module):
        assert other.room == module.room or rank(other) < rank(module), other.name


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert HOUSE.circles() == []


@MODULES
def test_only_families_and_the_face_name_a_family(module: Module) -> None:
    if module.room not in ("families", "__init__"):
        named = ("families.siren", "families.grid")
        assert not [other.name for other in HOUSE.imports(module) if other.name.startswith(named)]
        is_option = module.name in ("encoding.config", "cli.arguments")  # which names its default
        assert is_option or not re.search("(?i)siren", module.code)


@MODULES
def test_torch_is_imported_by_few(module: Module) -> None:
    loads = any(name.split(".")[0] == "torch" for name, at_import in module.imported if at_import)
    assert loads == (module.name in TORCH)


def test_torchao_is_imported_inside_one_function_only() -> None:
    users = {
        (module.name, at_import)
        for module in HOUSE.modules
        for name, at_import in module.imported
        if name.split(".")[0] == "torchao"
    }
    assert users == {("families.siren.quantize", False)}


@MODULES
def test_only_compute_and_the_arguments_spell_a_device(module: Module) -> None:
    spelled = re.search(r"\bcuda\b|device\.type", module.code)
    assert not spelled or module.room == "compute" or module.name in ("encoding.config", "cli.arguments")


@MODULES
def test_only_the_command_line_prints(module: Module) -> None:
    calls = [node.func for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    assert "print" not in {call.id for call in calls if isinstance(call, ast.Name)} or module.room == "cli"


@MODULES
def test_files_and_functions_are_short(module: Module) -> None:
    assert module.lines <= 400
    assert max(module.functions, default=0) <= 45


def loaded(code: str) -> set[str]:
    """Which of torch and torchao a fresh interpreter has loaded after `code`."""
    process = python("-c", f"{code}\nimport sys\nprint(*({{'torch', 'torchao'}} & set(sys.modules)))")
    assert process.returncode == 0, process.stderr
    return set(process.stdout.decode().split())


def test_importing_the_package_loads_no_torch() -> None:
    assert loaded("import inrcodec, inrcodec.cli") == set()


def test_decoding_in_numpy_loads_no_torch(data: bytes) -> None:
    assert loaded(f"import inrcodec; inrcodec.decode({data!r}, (9, 9)); inrcodec.open({data!r})") == set()


def test_decoding_a_grid_in_numpy_loads_no_torch() -> None:
    data = families.write(grid_picture(5, 7, 3, change=1))
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
