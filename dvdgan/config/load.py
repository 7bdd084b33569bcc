"""Loads params.yaml as a Config, or raises one error that lists every problem in it."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from dvdgan.config.checks import contradictions
from dvdgan.config.problems import described, keys_with_problems
from dvdgan.config.schema import Config
from dvdgan.config.section import Section, subsection
from dvdgan.errors import UserError
from dvdgan.yaml_file import read_yaml
from dvdgan.yaml_problems import problems_error


def load_config(path: Path = Path("params.yaml")) -> Config:
    """Read and check a params file.

    Raises UserError that lists every unknown key (with the nearest known one), missing key, wrong
    type, value out of range and impossible combination.
    """
    if not path.exists():
        raise UserError(
            f"{path.name} does not exist here",
            where=str(path.absolute()),
            todo="run the command in the folder with params.yaml, or copy a preset from presets/",
        )
    return parse_config(read_yaml(path), source=str(path))


def parse_config(raw: Any, source: str = "params") -> Config:
    """Check already parsed params; see load_config."""
    if not isinstance(raw, dict):
        found = "is empty" if raw is None else f"holds {_kind(raw)}"
        raise UserError(f"{source} {found}, not sections", todo="copy a preset from presets/")
    problems, wrong = [], set()
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        problems, wrong = described(error), keys_with_problems(error)
    values = dict(_values("", Config, raw))
    # Contradictions are not reported for values that are invalid by themselves.
    problems += contradictions({key: values[key] for key in values.keys() - wrong})
    if problems:
        raise problems_error(source, problems)
    return config


def fingerprint(*parts: BaseModel | str) -> str:
    """A fingerprint of 16 hex digits of the sections and strings in ``parts``."""
    plain = [part.model_dump() if isinstance(part, BaseModel) else part for part in parts]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def _values(prefix: str, section: type[Section], raw: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    """The dotted key and the value of every known parameter in the file."""
    for name, field in section.model_fields.items():
        value, below = raw.get(name), subsection(field)
        if below is not None:
            if isinstance(value, dict):
                yield from _values(f"{prefix}{name}.", below, value)
        elif name in raw:
            yield f"{prefix}{name}", value


def _kind(raw: Any) -> str:
    return "a list" if isinstance(raw, list) else "a single value"
