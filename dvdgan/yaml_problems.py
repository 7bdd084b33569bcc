"""Describes what is wrong in a YAML file of settings, one line per problem."""

import difflib
import json
import math
import re
from collections.abc import Collection, Sequence
from typing import Any

from dvdgan.errors import UserError

SHOWN = 60  # characters of an invalid value

OTHER_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def problems_error(source: str, problems: Sequence[str]) -> UserError:
    """The error that lists all ``problems`` of ``source``."""
    count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    return UserError(
        f"{source} has {count}:\n" + "\n".join(f"  - {line}" for line in problems),
        todo="fix all of them; nothing was run",
    )


def not_allowed(key: str, value: Any, allowed: str) -> str:
    """The line for a value that is not ``allowed``, with the value most likely meant."""
    hint = _hint(value, allowed)
    return f"{key} is {shown(value)}, but must be {allowed}" + (f"; {hint}" if hint else "")


def unknown(path: Sequence[str], fields: Collection[str], refused: str) -> str:
    """The line for an unknown key, given as its sections and its name.

    ``fields`` are the dotted keys of all sections and values; ``refused`` says that it is none.
    """
    *sections, name = path
    key = ".".join(path)
    if "." in name and ".".join([*sections, name]) in fields:
        section, _, last = key.rpartition(".")
        return f"{name} cannot be written with a dot; write {last} below {section}"
    elsewhere = [each.rpartition(".")[0] for each in fields if each.rpartition(".")[2] == name]
    if elsewhere:
        places = " or ".join(
            f"below {place}" if place else "at the top level" for place in elsewhere
        )
        return f"{key} {refused} {name} belongs {places}"
    prefix = ".".join(sections)
    known = sorted(each.rpartition(".")[2] for each in fields if each.rpartition(".")[0] == prefix)
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]}?" if nearest else f"allowed here: {', '.join(known)}"
    return f"{key} {refused} {hint}"


def _hint(value: Any, allowed: str) -> str:
    """The value that the user most likely meant; empty if unknown."""
    if isinstance(value, list) and len(value) == 1 and "list" not in allowed:
        return f"write {shown(value[0])}"
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


def shown(value: Any) -> str:
    """``value`` as written in YAML, on one line."""
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    if isinstance(value, str | bool | int | float | list | dict) or value is None:
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = str(value)  # a date
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
