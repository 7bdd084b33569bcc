"""Python source without what cannot move a number: comments, docstrings, layout, messages."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from typing import Any

# Fields of a syntax tree that follow from others, or that only type checkers read.
NOT_COMPARED = {"ctx", "kind", "type_comment", "type_ignores"}
MODULE_LEVEL = "module level"
# Fields of a node that are lists of statements, or of what contains statements.
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def normalised(source: str) -> str:
    """``source`` as Python prints its syntax tree, to be kept and compared line by line.

    Without comments, strings that stand alone (docstrings), `print(...)`, and the messages of
    UserErrors and assertions. Raises SyntaxError.
    """
    return ast.unparse(ast.fix_missing_locations(_stripped(ast.parse(source)))) + "\n"


def digest(source: str) -> str:
    """16 hex digits of the syntax tree of ``source``, the same for what normalised makes equal.

    They do not depend on the version of Python. Raises SyntaxError.
    """
    return _imports_and_digest(source)[1]


def imports(source: str) -> frozenset[str]:
    """Dotted names of all modules that ``source`` imports, their packages, and what may be one.

    Imports inside functions count, those for type checkers do not. Raises SyntaxError.
    """
    return _imports_and_digest(source)[0]


@cache  # stages share most of their modules; every command of a stage parses them all, once
def _imports_and_digest(source: str) -> tuple[frozenset[str], str]:
    tree = ast.parse(source)
    names = frozenset(_names(tree))
    return names, hashlib.sha256(_canonical(_stripped(tree)).encode()).hexdigest()[:16]


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import():
            for each in node.names:
                yield from _with_packages(each.name)
        case ast.ImportFrom(module=str(module)):
            for each in node.names:
                yield from _with_packages(f"{module}.{each.name}")
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            for line in node.orelse:
                yield from _names(line)
        case _:
            for block in BLOCKS:
                for line in getattr(node, block, ()):
                    yield from _names(line)


def _with_packages(name: str) -> Iterator[str]:
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        yield ".".join(parts[:length])


def definitions(source: str) -> dict[str, str]:
    """The functions and classes of ``source`` by qualified name, as text that can be compared.

    A class is what stands outside its methods; `module level` is what stands outside of all.
    """
    return _definitions(_stripped(ast.parse(source)).body, "")


def _definitions(body: list[ast.stmt], prefix: str) -> dict[str, str]:
    found: dict[str, str] = {}
    own = []
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                # Overloads and properties share a name.
                name = prefix + node.name
                found[name] = found.get(name, "") + _canonical(node)
            case ast.ClassDef():
                found |= _definitions(node.body, f"{prefix}{node.name}.")
                own.append(_canonical([*node.bases, *node.keywords, *node.decorator_list]))
            case _:
                own.append(_canonical(node))
    return found | {prefix.rstrip(".") or MODULE_LEVEL: "\n".join(own)}


class _Stripper(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        value = node.value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return None
        if isinstance(value, ast.Call) and ast.unparse(value.func) == "print":
            return None
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        raised = node.exc
        if isinstance(raised, ast.Call) and ast.unparse(raised.func) == "UserError":
            return ast.Raise(exc=raised.func, cause=None)
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        return ast.Assert(test=node.test, msg=None)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Go on to the statements: expressions, most of a tree, have nothing that goes."""
        for block in BLOCKS:
            if lines := getattr(node, block, None):
                visited = [self.visit(line) for line in lines]
                setattr(node, block, [line for line in visited if line is not None])
        if getattr(node, "body", None) == [] and not isinstance(node, ast.Module):
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        return node


def _stripped(tree: ast.Module) -> ast.Module:
    stripped = _Stripper().visit(tree)
    assert isinstance(stripped, ast.Module)
    return stripped


def _canonical(node: Any) -> str:
    """Like ast.dump, whose text differs between versions of Python."""
    if isinstance(node, ast.JoinedStr):
        # Python 3.12.1 ends some format specifications with an empty string.
        node = ast.JoinedStr([each for each in node.values if getattr(each, "value", None) != ""])
    if isinstance(node, ast.AST):
        fields = [(name, getattr(node, name, None)) for name in node._fields]
        parts = [
            f"{name}={_canonical(value)}"
            for name, value in fields
            if name not in NOT_COMPARED and value is not None and value != []
        ]
        return f"{type(node).__name__}({', '.join(parts)})"
    if isinstance(node, list):
        return f"[{', '.join(map(_canonical, node))}]"
    return repr(node)
