"""Describes pydantic's errors in a params file in terms of YAML, one line each."""

import difflib
import json
import math
import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from dvdgan.config.schema import Config
from dvdgan.config.section import Section, kind_of, subsection

SHOWN = 60  # characters of an invalid value

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
OTHER_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


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
        return _unknown([str(part) for part in path])
    if error == "missing":
        return f"{key} is missing"
    if error == "value_error":
        return f"{key} is {_yaml(value)}, {detail['ctx']['error']}"
    names = [part for part in path if isinstance(part, str)]
    field = dict(_fields("", Config))[".".join(names)]
    if error in LIMITS:
        context = {name: _plain(limit) for name, limit in detail.get("ctx", {}).items()}
        allowed = LIMITS[error].format(**context)
    elif subsection(field) is not None:
        allowed = "a section: write its keys below it, indented by two more spaces"
    else:
        allowed = _article(kind_of(field, item=isinstance(path[-1], int)))
    hint = _hint(value, allowed)
    return f"{key} is {_yaml(value)}, but must be {allowed}" + (f"; {hint}" if hint else "")


def _plain(limit: Any) -> str:
    return str(limit).replace("'", "") if isinstance(limit, str) else f"{limit:.10g}"


def _article(kind: str) -> str:
    return kind if kind.startswith(("text", "true")) else f"a {kind}"


def _hint(value: Any, allowed: str) -> str:
    """The value that the user most likely meant; empty if unknown."""
    if isinstance(value, list) and len(value) == 1 and "list" not in allowed:
        return f"write {_yaml(value[0])}"
    if "list" in allowed and not isinstance(value, list | dict) and value is not None:
        return f"write [{value}]"
    if "null" in allowed and str(value).lower() in ("none", "nil", "null"):
        return "write null"
    if "number" in allowed and isinstance(value, str):
        return _number_in(value)
    if "whole number" in allowed and isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    if "true or false" in allowed and str(value).lower() in OTHER_BOOLEANS:
        return f"write {OTHER_BOOLEANS[str(value).lower()]}"
    if "true or false" in allowed and str(value).lower() in ("true", "false"):
        return f"write {str(value).lower()} without quotes"
    if allowed.startswith("text") and not isinstance(value, str | list | dict | None):
        return f'write "{value}", in quotes' if not isinstance(value, bool) else "put it in quotes"
    return ""


def _number_in(text: str) -> str:
    text = text.strip()
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        return f"write {text.replace(',', '.')}, with a point"
    if re.fullmatch(r"\d+(\.\d+)?\s*%", text):
        return f"write {float(text.rstrip('% ')) / 100:g}"
    joined = re.sub(r"(?<=\d)[ ',](?=\d{3})", "", text)
    try:
        float(joined)
    except ValueError:
        return ""
    return f"write {joined}" + (" without quotes" if joined == text else "")


def _yaml(value: Any) -> str:
    """``value`` as written in YAML, on one line."""
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    if isinstance(value, str | bool | int | float | list | dict) or value is None:
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = str(value)  # a date
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _unknown(path: list[str]) -> str:
    *sections, name = path
    fields = dict(_fields("", Config))
    key = ".".join(path)
    if "." in name and ".".join([*sections, name]) in fields:
        section, _, last = key.rpartition(".")
        return f"{name} cannot be written with a dot; write {last} below {section}"
    elsewhere = [each.rpartition(".")[0] for each in fields if each.rpartition(".")[2] == name]
    if elsewhere:
        places = " or ".join(
            f"below {place}" if place else "at the top level" for place in elsewhere
        )
        return f"{key} is not a parameter; {name} belongs {places}"
    prefix = ".".join(sections)
    known = sorted(each.rpartition(".")[2] for each in fields if each.rpartition(".")[0] == prefix)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]}?" if nearest else f"allowed here: {', '.join(known)}"
    return f"{key} is not a parameter; {hint}"


def _fields(prefix: str, section: type[Section]) -> Iterator[tuple[str, FieldInfo]]:
    """The dotted key and the field of every section and parameter below ``section``."""
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}", field
        below = subsection(field)
        if below is not None:
            yield from _fields(f"{prefix}{name}.", below)
