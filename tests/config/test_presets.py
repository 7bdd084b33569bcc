"""The params files the repository ships, and the page that explains them."""

import re
from pathlib import Path

import pytest

from dvdgan.config import Config, load_config
from dvdgan.config.reference import params_page
from dvdgan.config.schema import Section

ROOT = Path(__file__).resolve().parents[2]
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))


@pytest.mark.parametrize("path", [ROOT / "params.yaml", *PRESETS], ids=lambda path: path.stem)
def test_every_preset_is_in_order(path: Path) -> None:
    load_config(path)


def test_small_folder_takes_clips_of_real_length() -> None:
    """At 25 frames a second most clips of two seconds must be long enough."""
    assert load_config(ROOT / "presets" / "small_folder.yaml").clip.span <= 50


def test_the_params_page_is_that_of_the_schema() -> None:
    page = (ROOT / "docs" / "params.md").read_text(encoding="utf-8")
    assert page == params_page(), "run `python -m dvdgan.config.reference > docs/params.md`"


def test_every_key_has_a_type_and_a_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", params_page(), re.MULTILINE)
    assert len(rows) == len(keys(Config))
    assert all(kind and meaning for _, kind, _, meaning in rows)


def keys(section: type[Section]) -> list[str]:
    found: list[str] = []
    for name, field in section.model_fields.items():
        kind = field.annotation
        inner = isinstance(kind, type) and issubclass(kind, Section)
        found += keys(kind) if inner else [name]  # type: ignore[arg-type]
    return found
