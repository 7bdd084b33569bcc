"""params.yaml -> Config, or every problem in it at once, in words."""

import difflib
import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from dvdgan.config.contradictions import contradictions
from dvdgan.config.schema import Config
from dvdgan.errors import UserError

# A hundred times those of any preset.
MOST_VALUES = 10_000


def load_config(path: Path = Path("params.yaml")) -> Config:
    """Read and check a params file.

    Raises UserError that names every unknown key (with the nearest known one), missing key, wrong
    type, value out of range and impossible combination.
    """
    if not path.is_file():
        raise UserError(
            f"there is no {path.name} here",
            where=str(path.absolute()),
            todo="run from the folder that holds params.yaml, or copy one of presets/",
        )
    try:
        raw = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    # ValueError: not UTF-8, or no such date or number. RecursionError: thousands of brackets.
    except (YAMLError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path} is not valid YAML", where=str(error), todo="mend the line named above"
        ) from error
    _refuse_endless(raw, path)
    return parse_config(raw, source=str(path))


def _refuse_endless(raw: Any, path: Path) -> None:
    """Raise UserError for aliases that hold themselves, or that multiply beyond any params."""
    left, seen = [raw], 0
    while left:
        value = left.pop()
        seen += 1
        if seen > MOST_VALUES:
            raise UserError(
                f"{path} holds more than {MOST_VALUES:,} values: an alias (*NAME) may hold itself",
                where=str(path.absolute()),
                todo="write the values out instead of the alias",
            )
        if isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            left += value


def parse_config(raw: Any, source: str = "params") -> Config:
    """Check already parsed params; see load_config."""
    if not isinstance(raw, dict):
        raise UserError(f"{source} holds no sections", todo="copy one of presets/")
    problems = []
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        problems = [_describe(detail) for detail in error.errors()]
    problems += contradictions(_flatten(raw))
    if problems:
        count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise UserError(
            f"{source} has {count}:\n" + "\n".join(f"  - {line}" for line in problems),
            todo="mend them all; nothing has been run",
        )
    return config


def fingerprint(*parts: BaseModel | str) -> str:
    """16 hex digits that change when any section or string of ``parts`` does."""
    plain = [part.model_dump() if isinstance(part, BaseModel) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def _flatten(raw: dict[Any, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in raw.items():
        flat |= (
            _flatten(value, f"{prefix}{key}.")
            if isinstance(value, dict)
            else {f"{prefix}{key}": value}
        )
    return flat


def _describe(detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return _unknown_key(key)
    if detail["type"] == "missing":
        return f"{key} is missing"
    return f"{key} is {detail['input']!r}, but {detail['msg'].removeprefix('Input ')}"


def _unknown_key(key: str) -> str:
    section, _, name = key.rpartition(".")
    known = _keys_of(section)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean {nearest[0]}?" if nearest else f"; known here: {', '.join(known)}"
    return f"{key} is not a parameter{hint}"


def _keys_of(section: str) -> list[str]:
    model: Any = Config
    for part in filter(None, section.split(".")):
        model = model.model_fields[part].annotation
    return sorted(model.model_fields)
