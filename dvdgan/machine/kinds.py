"""What the value of a key may be, in machine.yaml and as the text of its environment variable."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

ValueT = TypeVar("ValueT")
OtherT = TypeVar("OtherT")


@dataclass(frozen=True)
class ValueKind(Generic[ValueT]):
    """The values of a key. Both functions raise ValueError for what is not allowed."""

    parse: Callable[[str], ValueT]
    """The value that the text of a variable, which is not empty, stands for."""
    in_file: str
    """What machine.yaml may hold, as the words after `must be`."""
    in_variable: str
    """What the variable may hold."""
    as_text: Callable[[Any], str]
    """The text of the variable that stands for a value of machine.yaml."""
    show: Callable[[ValueT], str] = str
    """The value in one line, for tables."""


def whole(least: int) -> ValueKind[int]:
    """Whole numbers from ``least`` on."""

    def parse(text: str) -> int:
        _require(text.isdecimal() and int(text) >= least)
        return int(text)

    allowed = f"a whole number, {least} or more"
    return ValueKind(parse, allowed, allowed, _text_of(int))


def positive(of_what: str) -> ValueKind[float]:
    """Finite numbers above 0."""

    def parse(text: str) -> float:
        number = float(text)
        _require(0 < number < float("inf"))
        return number

    allowed = f"a number of {of_what} above 0"
    return ValueKind(parse, allowed, allowed, _text_of(int, float), lambda value: f"{value:g}")


def one_of(*words: str) -> ValueKind[str]:
    """One of ``words``."""

    def parse(text: str) -> str:
        _require(text in words)
        return text

    allowed = " or ".join(words)
    return ValueKind(parse, allowed, allowed, _text_of(str))


def several_of(*words: str) -> ValueKind[tuple[str, ...]]:
    """Some of ``words``; an empty list is the default."""

    def parse(text: str) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(filter(None, (word.strip() for word in text.split(",")))))
        _require(set(found) <= set(words))
        return found

    def as_text(value: Any) -> str:
        _require(isinstance(value, list) and all(word in words for word in value))
        return ",".join(value)

    names = ", ".join(words)
    return ValueKind(
        parse, f"a list of {names}", f"a comma-separated list of {names}", as_text, ", ".join
    )


def text(
    allowed: str, parse: Callable[[str], OtherT], show: Callable[[OtherT], str] = str
) -> ValueKind[OtherT]:
    """Text that is equal in machine.yaml and in the variable."""
    return ValueKind(parse, allowed, allowed, _text_of(str), show)


def matching(pattern: str, allowed: str) -> ValueKind[str]:
    """Text that ``pattern`` matches as a whole."""

    def parse(written: str) -> str:
        _require(re.fullmatch(pattern, written))
        return written

    return text(allowed, parse)


def _require(allowed: object) -> None:
    if not allowed:
        raise ValueError("not allowed")


def _text_of(*types: type) -> Callable[[Any], str]:
    def as_text(value: Any) -> str:
        _require(isinstance(value, types) and not isinstance(value, bool))
        return str(value)

    return as_text


def _yes_or_no(written: str) -> bool:
    _require(written in ("0", "1"))
    return written == "1"


def _bool_as_text(value: Any) -> str:
    _require(isinstance(value, bool))
    return str(int(value))


def _hosts(written: str) -> tuple[tuple[str, str], ...]:
    found = [re.fullmatch(r"([\w.-]+)=([^\s,]+)", part.strip()) for part in written.split(",")]
    nodes = tuple((match[1], match[2]) for match in found if match)
    names, addresses = {node[0] for node in nodes}, {node[1] for node in nodes}
    _require(len(names) == len(addresses) == len(found))
    return nodes


def _hosts_as_text(value: Any) -> str:
    _require(isinstance(value, dict))
    _require(
        all(isinstance(each, str) and "," not in each for pair in value.items() for each in pair)
    )
    return ",".join(f"{name}={address}" for name, address in value.items())


def _expanded(written: str) -> str:
    """With the home folder for ~, which no shell replaces in a file."""
    try:
        return str(Path(written).expanduser()) if written.startswith("~") else written
    except RuntimeError as error:
        raise ValueError("this user has no home folder") from error


YES_OR_NO = ValueKind(
    _yes_or_no, "true or false", "1 or 0", _bool_as_text, lambda value: str(value).lower()
)
WORDS = text("text: a command and its options", lambda written: tuple(written.split()), " ".join)
STORE = text("text: s3://BUCKET/PREFIX or a folder", _expanded)
FOLDER = text("text: a folder", lambda written: Path(_expanded(written)))
ADDRESS = matching(r"https?://\S+", "text: an address that begins with http:// or https://")
DEVICE = matching(r"cpu|cuda(:\d+)?", "cpu, cuda, or cuda:1 for the second GPU")
HOSTS = ValueKind(
    _hosts,
    "lines of NAME: ADDRESS below it, each node once",
    "a comma-separated list of NAME=ADDRESS, each node once",
    _hosts_as_text,
    lambda nodes: ", ".join(f"{name}={address}" for name, address in nodes),
)
