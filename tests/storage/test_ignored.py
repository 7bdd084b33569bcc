"""Which names are left out wherever people fill a folder."""

import pytest

from dvdgan.storage.ignored import ignored_as

IGNORED = {
    ".hidden.mp4": ".*",
    ".ipynb_checkpoints": ".*",
    ".git": ".*",
    "._clip.mp4": "._*",
    ".DS_Store": ".DS_Store",
    "__MACOSX": "__MACOSX",
    "Icon\r": "Icon",
    "Thumbs.db": "Thumbs.db",
    "thumbs.db": "Thumbs.db",
    "ehthumbs_vista.db": "ehthumbs*.db",
    "Desktop.ini": "desktop.ini",
    "$RECYCLE.BIN": "$RECYCLE.BIN",
    "System Volume Information": "System Volume Information",
    "lost+found": "lost+found",
    ".Trash-1000": ".Trash-*",
    "@eaDir": "@eaDir",
    "#recycle": "#recycle",
    "notes.txt~": "*~",
    ".#notes.txt": ".#*",
    "#notes.txt#": "#*#",
    ".notes.txt.swp": "*.swp",
    "~$list.xlsx": "~$*",
    "clip.mp4.tmp": "*.tmp",
    "clip.mp4.part": "*.part",
    "clip.mp4.crdownload": "*.crdownload",
    ".syncthing.clip.mp4": ".syncthing.*",
    "clip.sync-conflict-20240101-101010-ABCDEFG.mp4": "*.sync-conflict-*",
    "clip (Ann's conflicted copy 2024-01-01).mp4": "*conflicted copy*",
}
DATA = ["clip.mp4", "a~b.mp4", "part.mp4", "tmp", "#1.mp4", "thumbs.db.mp4", "notes.txt", "clip"]


@pytest.mark.parametrize(("name", "pattern"), IGNORED.items())
def test_leftovers_are_known_by_their_names(name: str, pattern: str) -> None:
    assert ignored_as(name) == pattern


@pytest.mark.parametrize("name", DATA)
def test_other_names_may_be_data(name: str) -> None:
    assert ignored_as(name) is None
