"""What the documents say to type, and the files they point at, exist."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from source_tree import ROOT, python_files

from dvdgan.config import Config

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("presets/*.yaml")],
)
FILE_ENDINGS = {"html", "json", "md", "py", "safetensors", "yaml"}
# Folders of the repository itself, not of what a run makes.
TRACKED = r"(?:dvdgan|flows|docs|infra|presets|tests|benchmarks)/[\w./-]*\w"


OF_OTHER_PROGRAMS = "## Messages of other programs"
# A file and what in it: `dvdgan/models/views.py::draw_views`, `dvc.yaml::index`.
REFERENCE = r"([\w./-]+\.(?:py|yaml))::([\w.]+)"


@cache
def names_in(path: str) -> set[str]:
    """Functions, classes and variables of a module, members as Class.member; keys of a YAML."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".yaml"):
        return set(re.findall(r"^ *(\w+):", text, re.MULTILINE))
    return set(defined(ast.parse(text)))


def defined(scope: ast.Module | ast.ClassDef) -> Iterator[str]:
    """The names that ``scope`` itself gives; what it imports is not its own."""
    for node in scope.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{member}" for member in defined(node))
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for name in (each for target in targets for each in ast.walk(target)):
                if isinstance(name, ast.Name):
                    yield name.id


def typed(text: str) -> list[str]:
    """What stands in code: fenced blocks line by line, and `spans`."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.DOTALL))
    return [line for block in blocks for line in block.splitlines()] + spans


def typed_lines() -> Iterator[tuple[Path, str]]:
    """Every document of DOCUMENTS with each thing that stands in code there."""
    for document in DOCUMENTS:
        for line in typed(document.read_text(encoding="utf-8")):
            yield document.relative_to(ROOT), line


def test_paths_exist() -> None:
    missing = [
        f"{document}: {path}"
        for document, line in typed_lines()
        for path in re.findall(rf"(?:^|\s)({TRACKED})", line)
        if not ((ROOT / path).exists() or "XX" in path.upper() or "NAME" in path)
    ]
    assert missing == []


def test_modules_are_named_by_their_path() -> None:
    missing = [
        f"{document}: {line}"
        for document, line in typed_lines()
        if re.fullmatch(r"[\w./-]+\.py", line)
        if not ((ROOT / line).is_file() or "NAME" in line)
    ]
    assert missing == []


def test_paths_in_code_exist() -> None:
    for file in python_files("dvdgan", "flows", "benchmarks", "infra", "presets"):
        text = (ROOT / file).read_text(encoding="utf-8")
        for path in re.findall(rf"(?<![\w/.-])({TRACKED}\.(?:md|py|sh|yaml))\b", text):
            assert (ROOT / path).is_file(), f"{file}: {path}"


def test_what_is_named_behind_a_path_is_defined_there() -> None:
    undefined = [
        f"{document}: {path}::{name}"
        for document, line in typed_lines()
        for path, name in re.findall(REFERENCE, line)
        if name not in names_in(path)
    ]
    assert undefined == []


def test_every_decision_names_the_code_that_follows_it() -> None:
    lines = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if re.match(r"\| (?!.*\| where \|$)", line)]
    assert len(rows) > 60
    for row in rows:
        where = row.removesuffix(" |").rpartition(" | ")[2]
        assert re.fullmatch(rf"`{REFERENCE}`(?:, `{REFERENCE}`)*", where), row


def test_names_are_found_where_they_are_defined_and_nowhere_else() -> None:
    names = names_in("dvdgan/models/conv_gru.py")
    assert {"ConvGRU", "MultiplicativeConvGRU.gate"} <= names
    assert not {"MultiplicativeGRU", "spectral", "ConvGRU.frames", "gate"} & names
    assert {"Protocol.network", "PROTOCOLS", "LOGITS"} <= names_in("dvdgan/protocols.py")
    assert "index" in names_in("dvc.yaml")


def test_links_lead_somewhere() -> None:
    dead = [
        f"{document.relative_to(ROOT)}: {link}"
        for document in DOCUMENTS
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8"))
        if "://" not in link and not (document.parent / link).exists()
    ]
    assert dead == []


def test_every_page_is_reached_by_links() -> None:
    reached: set[Path] = set()
    unread = [ROOT / "README.md", ROOT / "docs" / "index.md"]
    while unread:
        page = unread.pop()
        reached.add(page)
        links = re.findall(r"\]\(([^)#:]+\.md)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        unread += {(page.parent / link).resolve() for link in links} - reached
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    assert [str(page.relative_to(ROOT)) for page in pages if page not in reached] == []


def test_parameters_exist() -> None:
    sections = Config.model_fields
    unknown = [
        f"{document}: {line}"
        for document, line in typed_lines()
        for section, key in re.findall(r"^(\w+)\.(\w+)$", line)
        if section in sections and key not in FILE_ENDINGS
        if key not in sections[section].annotation.model_fields  # type: ignore[union-attr]
    ]
    assert unknown == []


def test_the_readme_names_every_stage_and_its_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs" / "stages").glob("*.md"):
        assert f"(docs/stages/{page.name})" in readme


def test_quoted_messages_are_those_of_the_code() -> None:
    """`...` stands for what a message fills in; what is between is one message of the code."""
    pages = [ROOT / "docs" / name for name in ("troubleshooting.md", "runbooks.md")]
    text = "".join(page.read_text("utf-8").partition(OF_OTHER_PROGRAMS)[0] for page in pages)
    quoted = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    fixed = [filter(None, re.split(r"\s*\.\.\.\s*", message)) for message in quoted]
    patterns = [re.compile(".*".join(map(re.escape, parts)), re.DOTALL) for parts in fixed]
    assert len(patterns) > 60
    messages = [text for file in python_files("dvdgan", "flows") for text in literals(file)]
    unknown = [each.pattern for each in patterns if not any(map(each.search, messages))]
    assert unknown == []


def literals(file: Path) -> Iterator[str]:
    """The strings of a module but its docstrings; what an f-string fills in is left out."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in alone:
            continue
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        text = [str(each.value) for each in parts if isinstance(each, ast.Constant)]
        if text:
            yield " ".join(text)
