"""Which revisions a review compares: the working tree with the commit it branched off."""

import subprocess
from pathlib import Path

from dvdgan.errors import UserError

MAIN = ("origin/HEAD", "origin/main", "origin/master", "main", "master")


def base_revision(folder: Path, given: str | None = None) -> str:
    """The commit to compare the working tree of ``folder`` with, as a full hash.

    ``given``, or else the merge base of HEAD with the main branch; on the main branch itself HEAD
    if tracked files are modified, else the commit before HEAD. Raises UserError if there is no
    such commit.
    """
    if _git(folder, "rev-parse", "--git-dir") is None:
        raise UserError(
            "this folder is not under git",
            where=str(folder.absolute()),
            todo="a review compares commits: run it in a clone",
        )
    if given is not None:
        return _commit(folder, given)
    head = _commit(folder, "HEAD")
    for branch in MAIN:
        found = _git(folder, "merge-base", "HEAD", branch)
        if found is not None and found != head:
            return found
        if found is not None:
            break
    if _git(folder, "status", "--porcelain", "--untracked-files=no"):
        return head
    return _commit(folder, "HEAD~1")


def short(revision: str) -> str:
    """A commit as people write it."""
    return revision[:9]


def changed_files(folder: Path, revision: str, below: str) -> list[tuple[str | None, str | None]]:
    """Paths before and now of tracked files that differ; None: there is no such file then."""
    listed = _git(folder, "diff", "--name-status", "-M90%", "--relative", revision, "--", below)
    found: list[tuple[str | None, str | None]] = []
    for status, *paths in (line.split("\t") for line in (listed or "").splitlines()):
        before = None if status == "A" else paths[0]
        found.append((before, None if status == "D" else paths[-1]))
    return found


def text_at(folder: Path, revision: str, path: str) -> str:
    """The text of a file of ``folder`` at a commit that has it."""
    return _git(folder, "show", f"{revision}:./{path}") or ""


def _commit(folder: Path, revision: str) -> str:
    commit = revision + "^{commit}"
    found = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", commit)
    if found is None:
        raise UserError(
            f"there is no commit {revision}",
            where=str(folder.absolute()),
            todo="name another one: dvdgan review REVISION; in a shallow clone run "
            "`git fetch --unshallow` first",
        )
    return found


def _git(folder: Path, *words: str) -> str | None:
    """The output of a git command; None if it fails."""
    try:
        done = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise UserError("git is not installed", todo="install git") from error
    return done.stdout.strip() if done.returncode == 0 else None
