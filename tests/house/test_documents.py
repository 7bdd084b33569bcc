"""What the documents say to type, and the files they point at, exist."""

import re
from pathlib import Path

import pytest
from source_tree import ROOT

from dvdgan.cli import app
from dvdgan.config import Config

DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("presets/*.yaml")],
)
VERBS = {command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
FILE_ENDINGS = {"html", "json", "md", "py", "safetensors", "yaml"}
# Folders of the repository itself, not of what a run makes.
TRACKED = r"(?:dvdgan|flows|docs|infra|presets|tests|benchmarks)/[\w./-]*\w"


def typed(text: str) -> list[str]:
    """What stands in code: fenced blocks line by line, and `spans`."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.DOTALL))
    return [line for block in blocks for line in block.splitlines()] + spans


@pytest.fixture(params=DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def document(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_commands_exist(document: Path) -> None:
    for line in typed(document.read_text(encoding="utf-8")):
        for verb in re.findall(r"(?:^|\s)dvdgan ([a-z]+)", line):
            assert verb in VERBS, line
        for target in re.findall(r"(?:^|\s)make ([a-z]+)", line):
            assert target in TARGETS, line
        for script in re.findall(r"(?:^|\s)(infra/\S+\.sh)", line):
            assert (ROOT / script).is_file(), line


def test_paths_exist(document: Path) -> None:
    for line in typed(document.read_text(encoding="utf-8")):
        for path in re.findall(rf"(?:^|\s)({TRACKED})", line):
            assert (ROOT / path).exists() or "XX" in path.upper() or "NAME" in path, line


def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (document.parent / link).exists(), link


def test_parameters_exist(document: Path) -> None:
    sections = Config.model_fields
    for line in typed(document.read_text(encoding="utf-8")):
        for section, key in re.findall(r"^(\w+)\.(\w+)$", line):
            if section in sections and key not in FILE_ENDINGS:
                assert key in sections[section].annotation.model_fields, line  # type: ignore[union-attr]


def test_the_readme_names_every_stage_and_its_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs" / "stages").glob("*.md"):
        assert f"(docs/stages/{page.name})" in readme
