"""What is typed: the code of documents, the commands of scripts, manifests and workflows."""

import re
import shlex
from collections.abc import Iterator

# What may stand before a command: a key, a dash of a list, Docker's and make's marks, wrappers.
BEFORE = re.compile(
    r"(?:\s|@|- |RUN\b|CMD\b|ENTRYPOINT\b|exec\b|env\b|sudo\b|if\b|until\b|!|quietly\b"
    r"|python -m dvdgan\.guard\.parent_death_signal\b|[\w-]+:\s|\w+=[^\s(\"']*\s)+"
)
SEPARATORS = re.compile(r"[;&|()<>]+")


def code_of(text: str, ending: str) -> list[str]:
    """The lines of ``text`` that hold code; long lines are joined.

    Of a document these are its blocks and `spans`, of another file everything, with the spans
    and indented lines of its comments.
    """
    text = re.sub(r"\s*\\\n\s*", " ", text)
    if ending == ".md":
        blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        lines = [
            line
            for kind, block in blocks
            if kind not in ("python", "text")
            for line in block.splitlines()
        ]
        return lines + spans(text)
    found = []
    for line in text.splitlines():
        comment = re.match(r"\s*#+(\s.*|$)", line)
        if comment is None:
            found.append(line)
        elif comment[1].startswith("  "):
            found.append(comment[1])
        else:
            found += spans(line)
    return found


def spans(text: str) -> list[str]:
    """The `spans` of a text, without its blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.DOTALL))


def commands(lines: list[str]) -> Iterator[list[str]]:
    """The words of every command in ``lines``, also of those that are quoted in another one."""
    for line in lines:
        flat = re.sub(r"\[([^\[\]]*)\]", lambda found: found[1].replace(",", " "), line)
        command: list[str] = []
        for word in words(flat):
            if SEPARATORS.fullmatch(word):
                yield from nested(command)
                command = []
            else:
                command.append(word)
        yield from nested(command)


def words(line: str) -> list[str]:
    """As a shell splits a line, and as well as possible if it ends inside a quote."""
    lexer = shlex.shlex(
        BEFORE.sub("", line, count=1) if BEFORE.match(line) else line,
        posix=True,
        punctuation_chars=True,
    )
    lexer.wordchars += ":@%{}$,^+[]!"
    try:
        return list(lexer)
    except ValueError:
        return line.split()


def nested(command: list[str]) -> Iterator[list[str]]:
    """The command, without the variables before it, and those inside its quotes."""
    for word in command:
        if " " in word:
            yield from commands([word.partition("=")[2] if re.match(r"\w+=", word) else word])
    while command and re.match(r"\w+=", command[0]):
        command = command[1:]
    if command:
        yield [command[0].removeprefix(".venv/bin/"), *command[1:]]
