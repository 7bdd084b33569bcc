"""Reads a machine file as the texts of the variables that its values stand for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvdgan.errors import redacted
from dvdgan.machine.keys import KEYS, SECTIONS
from dvdgan.yaml_problems import not_allowed, shown, unknown

SECRET_NAME = re.compile(r"access_?key|api_?key|auth|credential|passw|secret|token", re.IGNORECASE)
NOT_HERE = (
    "which this file may not hold: credentials belong in ~/.aws or in environment variables, such "
    "as AWS_SECRET_ACCESS_KEY, PREFECT_API_AUTH_STRING and WANDB_API_KEY"
)


@dataclass(frozen=True)
class MachineFile:
    """What a machine file holds."""

    texts: dict[str, str]
    """By dotted key: the text of the variable with the same value."""
    problems: list[str]
    """One line for each key or value that is not allowed."""

    @classmethod
    def read(cls, path: Path) -> "MachineFile":
        """Raises UserError if ``path`` cannot be read as YAML."""
        from dvdgan.yaml_file import key_lines, read_yaml  # evaluations do without ruamel

        raw = read_yaml(path)
        lines = key_lines(path)
        texts: dict[str, str] = {}
        problems = []
        for key, problem in _checked(raw, texts):
            line = f", line {lines[key]}" if key in lines else ""
            problems.append(f"{path}{line}: {problem}")
        return cls(texts, problems)


def _checked(raw: Any, texts: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Every problem with its key; what has none goes to ``texts``."""
    if raw is None:
        return  # empty, or all of it comments
    if not isinstance(raw, dict):
        yield "", f"it holds {shown(raw)}, not sections"
        return
    for name, value in raw.items():
        if name not in SECTIONS:
            yield from _checked_value([str(name)], value, texts)
        elif isinstance(value, dict):
            for below, each in value.items():
                yield from _checked_value([name, str(below)], each, texts)
        elif value is not None:
            yield name, not_allowed(name, value, "a section: write its keys below it")


def _checked_value(path: list[str], value: Any, texts: dict[str, str]) -> Iterator[tuple[str, str]]:
    name = ".".join(path)
    key = None if "." in path[-1] else KEYS.get(name)
    if key is None and any(SECRET_NAME.search(each) for each in _names(path[-1], value)):
        yield name, f"{name} looks like a credential, {NOT_HERE}"
    elif key is None:
        yield name, unknown(path, [*SECTIONS, *KEYS], "is not a key;")
    elif value is None or value in ("", [], {}):
        return  # not set
    elif redacted(str(value)) != str(value):
        yield name, f"{name} contains a credential, {NOT_HERE}"
    else:
        try:
            text = key.kind.as_text(value).strip()
            if not text or "\0" in text:
                raise ValueError("no variable can hold it")
            key.kind.parse(text)
        except ValueError:
            yield name, not_allowed(name, value, key.kind.in_file)
        else:
            texts[name] = text


def _names(name: str, value: Any) -> Iterator[str]:
    """``name``, and the names of all keys below it."""
    yield name
    for below, each in value.items() if isinstance(value, dict) else ():
        yield from _names(str(below), each)
