"""Reads a YAML file as plain values, or raises an error that explains which line is wrong."""

import codecs
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, Node
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from dvdgan.errors import UserError

ENCODINGS = {  # longer marks first, because UTF-32's starts with UTF-16's
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}

# Patterns of the parser's messages -> explanations.
EXPLANATIONS = {
    r"found character '(.)' that cannot start": "a plain value cannot begin with {}: quote it",
    r'found duplicate key "(.+?)" with': "the key {} occurs twice in its section",
    r"mapping values are not allowed": (
        "a colon in a plain value, or a line that is indented too far: quote the value, or fix "
        "the indentation"
    ),
    r"expected <block end>": "the line is not indented like the other lines of its section",
    r"expected ',' or '(.)'": "a bracket opened here is not closed: add {}",
    r"expected the node content": "a dash or colon at the start of the line is not allowed here",
    r"could not find expected ':'": "a key needs a colon and a space after it",
    r"but found another document": "--- starts a second document; only one is allowed",
    r"constructor for the tag '(?:tag:yaml.org,2002:)?!?(.+)'": "the tag !{} is not allowed",
    r"found undefined alias '(.+)'": (
        "*{0} refers to &{0}, which does not exist: quote it if it is text"
    ),
    r"found unexpected end of stream": "a quotation mark opened here is not closed",
    r"found unknown escape character '(.)'": (
        "\\{} is not an escape in double quotes: use single quotes"
    ),
}


class _Constructor(SafeConstructor):
    """Reports the line of a value that looks like a date or a number but is invalid."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            raise ConstructorError(None, None, f"{error}: quote it", node.start_mark) from error


# A hundred times as many as in any preset.
MOST_VALUES = 10_000


def read_yaml(path: Path) -> Any:
    """The values of a YAML 1.2 file in UTF-8. Raises UserError with the line if it is not valid."""
    text = _text(path)
    for place, content in enumerate(text.splitlines(), 1):
        if re.match(r"\s*[^\S\t\n\r ]", content):
            raise _error(path, place, "a non-breaking space: replace it by a space")
    try:
        if "&" in text:
            _refuse_endless(_parser().compose(text), path)
        return _parser().load(text)
    except MarkedYAMLError as error:
        raise _error(path, *_explained(error, text)) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _error(path, line, f"the character U+{_code(error):04X} is not allowed") from error
    except (YAMLError, ValueError, RecursionError) as error:  # no such date; thousands of brackets
        raise UserError(f"{path} is not valid YAML", where=str(error)) from error


def key_lines(path: Path) -> dict[str, int]:
    """The line, from 1, of every key of a file that `read_yaml` reads; sections and keys joined by
    dots."""
    lines: dict[str, int] = {}
    waiting: list[tuple[str, Node | None]] = [("", _parser().compose(_text(path)))]
    while waiting:
        prefix, node = waiting.pop()
        for key, value in node.value if isinstance(node, MappingNode) else ():
            name = f"{prefix}{key.value}"
            lines[name] = key.start_mark.line + 1
            waiting.append((f"{name}.", value))
    return lines


def _parser() -> YAML:
    yaml = YAML(typ="safe", pure=True)  # its errors are more precise than those of the C parser
    yaml.Constructor = _Constructor
    return yaml


def _text(path: Path) -> str:
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a file", todo="give the path of a YAML file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    encoding = next((name for mark, name in ENCODINGS.items() if data.startswith(mark)), None)
    if encoding is None and data[1:2] == b"\0":
        encoding = "UTF-16"
    todo = "save it as UTF-8 in your editor"
    if encoding is not None:
        raise UserError(f"{path} is {encoding}, not UTF-8", todo=todo)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"line {line}: the byte 0x{data[error.start]:02x}"
        raise UserError(
            f"{path} is not UTF-8, but perhaps Latin-1", where=byte, todo=todo
        ) from error


def _refuse_endless(root: Node | None, path: Path) -> None:
    """Raise UserError for aliases that contain themselves or expand to too many values."""
    waiting: list[tuple[Node | None, tuple[Node | None, ...]]] = [(root, ())]
    seen = 0
    while waiting:
        node, above = waiting.pop()
        seen += 1
        if any(node is each for each in above):
            assert node is not None
            raise _error(path, node.start_mark.line + 1, f"&{node.anchor} contains itself")
        if seen > MOST_VALUES:
            raise UserError(
                f"{path} holds more than {MOST_VALUES:,} values: its aliases (*NAME) expand to "
                "too many",
                where=str(path.absolute()),
                todo="write out the values instead of using aliases",
            )
        if isinstance(node, MappingNode):
            children = [each for pair in node.value for each in pair]
        else:
            children = node.value if isinstance(node, SequenceNode) else []
        waiting += [(child, (*above, node)) for child in children]


def _explained(error: MarkedYAMLError, text: str) -> tuple[int, str]:
    """The line number, from 1, and the error there."""
    mark = error.problem_mark
    problem = str(error.problem if error.problem.strip() else error.context)
    if "'\\t'" in problem or "tab" in problem:
        lines = text.splitlines()
        found = [n for n, line in enumerate(lines, 1) if n > mark.line and re.match(r" *\t", line)]
        return (found or [mark.line + 1])[0], "a tab: indent YAML with spaces"
    if re.search("expected (',' or|':')|end of stream", problem) and error.context_mark is not None:
        mark = error.context_mark  # where it was opened
    for pattern, explanation in EXPLANATIONS.items():
        matched = re.search(pattern, problem)
        if matched:
            return mark.line + 1, explanation.format(*matched.groups())
    return mark.line + 1, problem


def _code(error: ReaderError) -> int:
    return error.character if isinstance(error.character, int) else ord(error.character)


def _error(path: Path, line: int, what: str) -> UserError:
    return UserError(
        f"{path} is not valid YAML", where=f"line {line}: {what}", todo="fix this line"
    )
