"""How the package is built: modules by room, who knows a family or a device, sizes of functions, circles of imports.

    python tools/measure/house.py
    python tools/measure/house.py ../another/checkout/inrcodec    # for a before and after

A family, or a device, is known where code names it: comments and docstrings do not count.
"""

import argparse
import ast
import io
import re
import statistics
import tokenize
from collections import Counter
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tools import ROOT


class Module:
    """One file of the package."""

    def __init__(self, path: Path, package: Path) -> None:
        parts = path.relative_to(package).with_suffix("").parts
        self.name = ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
        """With dots, without the package's."""
        self.room = parts[0]
        self.is_in_a_room = len(parts) > 1
        self.text = path.read_text()
        self.tree = ast.parse(self.text)

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @cached_property
    def code(self) -> str:
        """Without comments and docstrings."""
        docs = {
            (node.lineno, node.end_lineno)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        }
        words = [
            token.string
            for token in tokenize.generate_tokens(io.StringIO(self.text).readline)
            if token.type != tokenize.COMMENT and (token.start[0], token.end[0]) not in docs
        ]
        return " ".join(words)

    @cached_property
    def imported(self) -> list[tuple[str, bool]]:
        """(name, whether at import time) of all that is imported, what is for type checkers alone left out."""
        found: list[tuple[str, bool]] = []

        def visit(node: ast.AST, at_import: bool) -> None:
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
                return
            if isinstance(node, ast.Import):
                found.extend((alias.name, at_import) for alias in node.names)
            if isinstance(node, ast.ImportFrom):
                found.extend((f"{node.module}.{alias.name}", at_import) for alias in node.names)
            for child in ast.iter_child_nodes(node):
                visit(child, at_import and not isinstance(node, ast.FunctionDef))

        visit(self.tree, True)
        return found

    @property
    def functions(self) -> list[int]:
        """Lines of each function's body, its docstring left out."""
        return [body_lines(node) for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef)]


def body_lines(function: ast.FunctionDef) -> int:
    """Lines from the first statement to the last."""
    first, *rest = function.body
    is_doc = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    body = rest if is_doc else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


class House:
    """The package: its modules, and who imports whom."""

    def __init__(self, package: Path) -> None:
        self.modules = [Module(path, package) for path in sorted(package.rglob("*.py"))]
        self._by_name = {module.name: module for module in self.modules}

    def imports(self, module: Module) -> list[Module]:
        """The modules of the package that a module imports, at import time or later."""
        found = {}
        for name, _ in module.imported:
            if name.startswith("inrcodec."):
                inner = name.removeprefix("inrcodec.")
                other = self._by_name.get(inner) or self._by_name.get(inner.rpartition(".")[0])
                if other and other is not module:
                    found[other.name] = other
        return list(found.values())

    def circles(self) -> list[str]:
        """A circle of imports, if there is one: its modules."""
        graph = {module.name: [other.name for other in self.imports(module)] for module in self.modules}
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            return list(error.args[1])
        return []

    def naming(self, pattern: str) -> list[str]:
        """The modules whose code holds a pattern."""
        return [module.name for module in self.modules if re.search(pattern, module.code)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, nargs="?", default=ROOT / "inrcodec")
    house = House(parser.parse_args().package)
    rooms = Counter(module.room for module in house.modules if module.is_in_a_room)
    beside = [module.name for module in house.modules if not module.is_in_a_room]
    siren, devices = house.naming("(?i)siren"), house.naming(r"\bcuda\b|device\s*\.\s*type")
    sizes = sorted(size for module in house.modules for size in module.functions)
    print(f"{len(house.modules)} modules, {sum(module.lines for module in house.modules):,} lines")
    print(f"rooms: {', '.join(f'{room} {count}' for room, count in sorted(rooms.items())) or 'none'}")
    print(f"beside them {len(beside)}: {', '.join(beside)}")
    print(f"{len(siren)} name SIREN: {', '.join(siren)}")
    print(f"{len(devices)} spell a device: {', '.join(devices)}")
    p90 = sizes[int(0.9 * len(sizes))]
    print(f"{len(sizes)} functions: median {statistics.median(sizes):g} lines, p90 {p90}, longest {sizes[-1]}")
    print(f"longest file {max(module.lines for module in house.modules)} lines")
    print(f"circles: {' -> '.join(house.circles()) or 'none'}")


if __name__ == "__main__":
    main()
