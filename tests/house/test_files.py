"""Every file says one thing: its name tells it, its docstring too, and it is short."""

import ast

from source_tree import ROOT, python_files

SAY_NOTHING = {"base", "common", "core", "helper", "helpers", "manager", "misc", "util", "utils"}
MOST_LINES = 350


def test_no_file_has_a_name_that_says_nothing() -> None:
    for path in python_files("dvdgan", "flows", "tests", "benchmarks"):
        assert not SAY_NOTHING & {part.removesuffix(".py") for part in path.parts}, path


def test_every_module_says_what_it_is() -> None:
    for path in python_files("dvdgan", "flows", "tests", "benchmarks"):
        assert ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8"))), path


def test_every_file_is_short() -> None:
    for path in python_files("dvdgan", "flows", "tests", "benchmarks"):
        assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) <= MOST_LINES, path


def test_no_exception_is_swallowed() -> None:
    for path in python_files("dvdgan", "flows"):
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, f"{path}:{node.lineno} catches everything"
                passes = all(isinstance(line, ast.Pass) for line in node.body)
                assert not passes, f"{path}:{node.lineno} does nothing about an error"


def test_nothing_is_unpickled() -> None:
    """torch.load only where it reads tensors and nothing else."""
    for path in python_files("dvdgan", "flows"):
        text = (ROOT / path).read_text(encoding="utf-8")
        assert "import pickle" not in text, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert given.get("weights_only") == "True", f"{path}:{node.lineno}"


def test_no_two_test_files_share_a_name() -> None:
    """pytest imports them by name alone: the second one could not be collected."""
    names = [path.name for path in python_files("tests") if path.name.startswith("test_")]
    assert sorted(set(names)) == sorted(names)
