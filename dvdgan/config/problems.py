"""Describes pydantic's errors in a params file in terms of YAML, one line each."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from dvdgan.config.schema import Config
from dvdgan.config.section import Section, kind_of, subsection
from dvdgan.yaml_problems import not_allowed, shown, unknown

LIMITS = {
    "greater_than_equal": "at least {ge}",
    "greater_than": "above {gt}",
    "less_than_equal": "at most {le}",
    "less_than": "below {lt}",
    "literal_error": "one of {expected}",
    "finite_number": "a finite number",
    "string_too_short": "text that is not empty",
    "too_short": "a list that is not empty",
}


def described(error: ValidationError) -> list[str]:
    """One line for each problem that pydantic found."""
    return [_line(detail) for detail in error.errors()]


def keys_with_problems(error: ValidationError) -> set[str]:
    """The dotted keys of the parameters whose own value is invalid."""
    return {
        ".".join(str(part) for part in detail["loc"] if isinstance(part, str))
        for detail in error.errors()
    }


def _line(detail: ErrorDetails) -> str:
    path, value, error = detail["loc"], detail["input"], detail["type"]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)[1:]
    if error in ("extra_forbidden", "invalid_key"):
        known = [key for key, _ in _fields("", Config)]
        return unknown([str(part) for part in path], known, "is not a parameter;")
    if error == "missing":
        return f"{key} is missing"
    if error == "value_error":
        return f"{key} is {shown(value)}, {detail['ctx']['error']}"
    names = [part for part in path if isinstance(part, str)]
    field = dict(_fields("", Config))[".".join(names)]
    if error in LIMITS:
        context = {name: _plain(limit) for name, limit in detail.get("ctx", {}).items()}
        allowed = LIMITS[error].format(**context)
    elif subsection(field) is not None:
        allowed = "a section: write its keys below it, indented by two more spaces"
    else:
        allowed = _article(kind_of(field, item=isinstance(path[-1], int)))
    return not_allowed(key, value, allowed)


def _plain(limit: Any) -> str:
    return str(limit).replace("'", "") if isinstance(limit, str) else f"{limit:.10g}"


def _article(kind: str) -> str:
    return kind if kind.startswith(("text", "true")) else f"a {kind}"


def _fields(prefix: str, section: type[Section]) -> Iterator[tuple[str, FieldInfo]]:
    """The dotted key and the field of every section and parameter below ``section``."""
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}", field
        below = subsection(field)
        if below is not None:
            yield from _fields(f"{prefix}{name}.", below)
