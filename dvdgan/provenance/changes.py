"""The changes between two states of the code: files, functions, and a diff."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from dvdgan.provenance.source import definitions, digest, normalised

CONTEXT_LINES = 2


@dataclass(frozen=True)
class Change:
    """One file whose numbers may differ."""

    file: str
    parts: list[str]
    """Functions and classes that were changed, added or removed."""
    diff: list[str]
    """Unified, of the normalised sources."""

    def __str__(self) -> str:
        return f"{self.file} ({', '.join(self.parts)})"


def normalised_code(code: Mapping[str, str]) -> dict[str, str]:
    """``code`` (source by file) as a run keeps it; its changes are those of ``code``."""
    return {file: normalised(source) for file, source in code.items()}


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[Change]:
    """The files of which something that can move a number changed, in order."""
    found = []
    for file in sorted(before.keys() | now.keys()):
        old, new = before.get(file, ""), now.get(file, "")
        in_both = file in before and file in now
        if not in_both or (old != new and digest(old) != digest(new)):
            found.append(Change(file, _parts(old, new), _diff(file, old, new)))
    return found


def _parts(old: str, new: str) -> list[str]:
    before, now = definitions(old), definitions(new)
    names = [*now, *(name for name in before if name not in now)]
    return [_labelled(name, before, now) for name in names if before.get(name) != now.get(name)]


def _labelled(name: str, before: Mapping[str, str], now: Mapping[str, str]) -> str:
    if name not in before:
        return f"{name} (new)"
    return name if name in now else f"{name} (gone)"


def _diff(file: str, old: str, new: str) -> list[str]:
    before, now = (normalised(source).splitlines() for source in (old, new))
    names = (f"{file} (of the run)", f"{file} (now)")
    return list(difflib.unified_diff(before, now, *names, lineterm="", n=CONTEXT_LINES))
