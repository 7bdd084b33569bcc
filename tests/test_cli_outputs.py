"""No command replaces what it did not write; the error comes before any work."""

import hashlib
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_type_hints

import pytest

import dvdgan.cli
from dvdgan.errors import EXIT_USER_ERROR

Make = Callable[[Path], Path]

# Every path that a verb takes, and those it writes with the rest of the words. None of the inputs
# is there: a verb that began to work before it looks at the output would name them instead.
READ = {
    ("ablation", "runs"),
    ("check", "machine"),
    ("convert", "source"),
    ("convert", "mean"),
    ("convert", "labels"),
    ("convert", "check"),
    ("evaluate", "checkpoint"),
    ("evaluate", "generated"),
    ("evaluate", "real"),
    ("evaluate", "network"),
    ("sample", "bundle"),
    ("sample", "start"),
    ("scaling", "files"),
    ("scaling", "from_run"),
    ("serve", "bundle"),
}
FOLDERS = {
    ("ablation", "write"): ["no-run", "--by", "train.seed", "--write"],
    ("convert", "write"): ["i3d_k400", "no-file.pt", "--write"],
    ("sample", "write"): ["no-bundle", "--write"],
    ("synthetic", "root"): [],
}
FILES = {
    ("evaluate", "write"): ["--checkpoint", "no-checkpoint", "--write"],
    ("listing", "file"): ["--root", "no-folder"],
    ("review", "write"): ["--write"],
    ("export", "pt2"): ["--pt2"],
    ("scaling", "picture"): ["no-params.yaml", "--picture"],
}
PAIR = ["--generated", "no-clips", "--real", "no-clips", "--write"]
CALLS = [(verb, words) for (verb, _), words in (FOLDERS | FILES).items()] + [("evaluate", PAIR)]


def test_every_path_of_every_verb_is_known_here() -> None:
    callbacks = [command.callback for command in dvdgan.cli.app.registered_commands]
    found = {
        (callback.__name__, name)
        for callback in callbacks
        if callback is not None
        for name, kind in get_type_hints(callback).items()
        if "Path" in str(kind) and name != "params"
    }
    assert found == READ | FOLDERS.keys() | FILES.keys()


def thesis(folder: Path) -> Path:
    (folder / "work" / "chapters").mkdir(parents=True)
    (folder / "work" / "chapters" / "1.tex").write_text("years of work")
    return folder / "work"


def file(folder: Path) -> Path:
    (folder / "thesis.json").write_text('{"years": 5}')
    return folder / "thesis.json"


def link_to_folder(folder: Path) -> Path:
    (folder / "link").symlink_to(thesis(folder))
    return folder / "link"


def dangling_link(folder: Path) -> Path:
    (folder / "link").symlink_to("nowhere")
    return folder / "link"


def link_to_itself(folder: Path) -> Path:
    (folder / "link").symlink_to("link")
    return folder / "link" / "out"


def not_utf_8(folder: Path) -> Path:
    return thesis(folder).rename(folder / os.fsdecode(b"th\xe8se"))


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


HOSTILE: dict[str, Make] = {
    "a folder with a thesis": thesis,
    "a file": file,
    "below a file": lambda folder: file(folder) / "out",
    "below a dangling link": lambda folder: dangling_link(folder) / "out",
    "a link to a folder": link_to_folder,
    "a dangling link": dangling_link,
    "below a link to itself": link_to_itself,
    "a name that is not UTF-8": not_utf_8,
    "a pipe": pipe,
    "another's picture": lambda folder: file(folder).rename(folder / "thesis.gif"),
    "a device": lambda _: Path("/dev/null"),
    "the current folder": lambda _: Path(),
    "the current folder, empty name": lambda _: Path(),
    "the folder above": lambda _: Path(".."),
    "a folder through the one above": lambda folder: Path("..") / thesis(folder).parent.name,
    "the root folder": lambda _: Path("/"),
    "home": lambda _: Path.home(),
    "above home": lambda _: Path.home().parent,
    "a mount point": lambda _: Path("/proc"),
    "a folder nobody writes to": lambda _: Path("/proc/out"),
    "home, not expanded": lambda _: Path("~/out"),
    "a long name": lambda folder: folder / ("x" * 300),
    "a longish name": lambda folder: folder / ("x" * 250),
}


def tree(folder: Path) -> str:
    """A hash of every name, mode, link and content below a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        content = path.read_bytes() if stat.S_ISREG(mode) else b""
        target = path.readlink() if stat.S_ISLNK(mode) else ""
        digest.update(repr((str(path), mode, target, content)).encode())
    return digest.hexdigest()


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(("verb", "words"), CALLS, ids=lambda value: value if value else "-")
def test_a_path_that_is_not_ones_own_is_refused_before_any_work(
    verb: str,
    words: list[str],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    path = HOSTILE[name](tmp_path / "here")
    before = tree(tmp_path)
    monkeypatch.setattr(sys, "argv", ["dvdgan", verb, *words, str(path)])
    with pytest.raises(SystemExit) as ended:
        dvdgan.cli.main()
    assert ended.value.code == EXIT_USER_ERROR
    errors = capsys.readouterr().err.encode("utf-8", "backslashreplace").decode()
    shown = str(path).encode("utf-8", "backslashreplace").decode()
    assert errors.startswith(f"error: {shown} "), errors
    assert "to do: " in errors
    assert "Traceback" not in errors
    assert tree(tmp_path) == before
