"""Names of files and folders that are not data: hidden ones, and what systems and tools leave.

The one rule for every folder that people fill: such a file or folder is not looked into. Below a
folder of videos it is never refused and never a class, but counted.
"""

from collections import Counter
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

# Shell patterns of lower-case names, the first that fits counts.
PATTERNS = (
    # Systems and file servers: macOS, Windows, Linux, Synology, QNAP.
    *("._*", ".ds_store", "__macosx", "icon\r", "thumbs.db", "ehthumbs*.db", "desktop.ini"),
    *("$recycle.bin", "system volume information", "lost+found", ".trash-*"),
    *("@eadir", "#recycle", "#snapshot", "@recycle"),
    # Editors and office programs.
    *("*~", ".#*", "#*#", "*.swp", "~$*"),
    # Downloads and copies under way, and copies of files that were changed in two places.
    *("*.tmp", "*.part", "*.partial", "*.filepart", "*.crdownload", "*.download", "*.aria2"),
    *(".syncthing.*", "*.sync-conflict-*", "*conflicted copy*"),
    # All other hidden files and folders.
    ".*",
)

# As their systems spell them.
SPELT = {
    ".ds_store": ".DS_Store",
    "__macosx": "__MACOSX",
    "icon\r": "Icon",
    "thumbs.db": "Thumbs.db",
    "$recycle.bin": "$RECYCLE.BIN",
    "system volume information": "System Volume Information",
    ".trash-*": ".Trash-*",
    "@eadir": "@eaDir",
    "@recycle": "@Recycle",
}


def ignored_as(name: str) -> str | None:
    """The pattern by which a file or folder ``name`` is left out; None if it may be data."""
    lowered = name.lower()
    for pattern in PATTERNS:
        if fnmatchcase(lowered, pattern):
            return SPELT.get(pattern, pattern)
    return None


def without_ignored(paths: Iterable[Path], root: Path) -> list[Path]:
    """Those of ``paths`` below ``root`` that no name between them leaves out, in order."""
    return [
        path for path in sorted(paths) if not any(map(ignored_as, path.relative_to(root).parts))
    ]


def describe_ignored(counts: "Counter[str]") -> str:
    """For instance: 12 hidden or system files left out: 10 ._*, 2 Thumbs.db."""
    kinds = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{count} {pattern}" for pattern, count in kinds)
    files = "file" if counts.total() == 1 else "files"
    return f"{counts.total()} hidden or system {files} left out: {listed}"
