"""The repository's Python files, and what each of them imports."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Import:
    """One imported module of a file; ``for_types``: only a type checker runs it."""

    file: Path
    module: str
    line: int
    for_types: bool

    @property
    def package(self) -> str:
        return self.module.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def python_files(*folders: str) -> list[Path]:
    """All Python files below ``folders``, relative to the repository."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path.relative_to(ROOT) for path in found)


def imports(file: Path) -> list[Import]:
    """Every import in ``file``, also those inside functions; `from a import b` is a and a.b."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return list(_walk(tree, file, for_types=False))


def outside(found: list[Import]) -> list[Import]:
    """Those that are neither the standard library's nor the project's own."""
    own = {"dvdgan", "flows"}
    return [each for each in found if each.package not in sys.stdlib_module_names | own]


def _walk(node: ast.AST, file: Path, for_types: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for name in node.names:
            yield Import(file, name.name, node.lineno, for_types)
    elif isinstance(node, ast.ImportFrom):
        assert node.module is not None and node.level == 0, f"{file}:{node.lineno} is relative"
        for name in node.names:
            module = node.module
            if _is_module(f"{module}.{name.name}"):
                module = f"{module}.{name.name}"
            yield Import(file, module, node.lineno, for_types)
    elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        for line in node.body:
            yield from _walk(line, file, for_types=True)
        for line in node.orelse:
            yield from _walk(line, file, for_types)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _walk(child, file, for_types)


def _is_module(dotted: str) -> bool:
    path = ROOT.joinpath(*dotted.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()
