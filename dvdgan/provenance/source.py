"""Python source without what cannot move a number: comments, docstrings, layout, messages."""

import ast
import hashlib
from functools import cache
from typing import Any

# Fields of a syntax tree that follow from others, or that only type checkers read.
NOT_COMPARED = {"ctx", "kind", "type_comment", "type_ignores"}
MODULE_LEVEL = "module level"


def normalised(source: str) -> str:
    """``source`` as Python prints its syntax tree, to be kept and compared line by line.

    Without comments, strings that stand alone (docstrings), `print(...)`, and the messages of
    UserErrors and assertions. Raises SyntaxError.
    """
    return ast.unparse(_stripped(source)) + "\n"


@cache  # stages share most of their modules
def digest(source: str) -> str:
    """16 hex digits of the syntax tree of ``source``, the same for what normalised makes equal.

    They do not depend on the version of Python. Raises SyntaxError.
    """
    return hashlib.sha256(_canonical(_stripped(source)).encode()).hexdigest()[:16]


def definitions(source: str) -> dict[str, str]:
    """The functions and classes of ``source`` by qualified name, as text that can be compared.

    A class is what stands outside its methods; `module level` is what stands outside of all.
    """
    return _definitions(_stripped(source).body, "")


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
        self.generic_visit(node)
        return ast.Assert(test=node.test, msg=None)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        # Python 3.12.1 ends some format specifications with an empty string.
        values = [each for each in node.values if getattr(each, "value", None) != ""]
        return self.generic_visit(ast.JoinedStr(values))

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if getattr(node, "body", None) == [] and not isinstance(node, ast.Module):
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        return node


def _stripped(source: str) -> ast.Module:
    tree = _Stripper().visit(ast.parse(source))
    assert isinstance(tree, ast.Module)
    return ast.fix_missing_locations(tree)


def _canonical(node: Any) -> str:
    """Like ast.dump, whose text differs between versions of Python."""
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
