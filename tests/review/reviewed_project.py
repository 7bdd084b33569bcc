"""A project under git and DVC whose pipeline runs in a second."""

import contextlib
import shutil
import subprocess
from pathlib import Path

from dvc.repo import Repo

from dvdgan.review.gather import Prices, Review, gather
from dvdgan.review.markdown import markdown

ROOT = Path(__file__).resolve().parents[2]

# The stages' names, params and order are those of the project; their work is to copy a file.
PIPELINE = """
stages:
  index:
    cmd: cp ${index.root} artifacts/index
    params: [clip, index, dvdgan/numerics.json: [stages.index]]
    deps: ["${index.root}"]
    outs: [artifacts/index]
  train:
    cmd: cp artifacts/index artifacts/train
    params: [clip, features.protocols, model, train, dvdgan/numerics.json: [stages.train]]
    deps: [artifacts/index]
    outs: [artifacts/train]
  evaluate:
    cmd: mkdir -p artifacts/evaluate && cp results artifacts/evaluate/metrics.json
    params: [evaluate, features.protocols]
    deps: [artifacts/train, results]
    metrics: [artifacts/evaluate/metrics.json]
"""


class Project:
    """A folder with params.yaml, presets, dvc.yaml, and a history."""

    def __init__(self, folder: Path, preset: str) -> None:
        self.folder = folder
        for name in ("artifacts", "dvdgan", ".dvc", "data"):
            (folder / name).mkdir()
        shutil.copytree(ROOT / "presets", folder / "presets")
        shutil.copy(ROOT / "presets" / f"{preset}.yaml", folder / "params.yaml")
        shutil.copy(ROOT / ".dvc/config", folder / ".dvc/config")
        shutil.copy(ROOT / "dvdgan/numerics.json", folder / "dvdgan")
        self.write("dvc.yaml", PIPELINE)
        self.write(".gitignore", "/artifacts\n/data\n/.dvc/cache\n/.dvc/tmp\n")
        self.write("results", '{"generated": {}}')
        self.run("git", "init", "--quiet", "--initial-branch", "main")
        self.commit()

    def write(self, path: str, text: str) -> None:
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text, encoding="utf-8")

    def edit(self, old: str, new: str, path: str = "params.yaml") -> None:
        """Replace the text ``old``, which is in the file exactly once."""
        text = (self.folder / path).read_text(encoding="utf-8")
        assert text.count(old) == 1, old
        self.write(path, text.replace(old, new))

    def commit(self) -> str:
        """Commit everything; the commit's hash."""
        self.run("git", "add", "--all")
        author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        self.run("git", *author, "commit", "--quiet", "--allow-empty", "--message", "A step")
        return self.run("git", "rev-parse", "HEAD").strip()

    def repro(self) -> None:
        """Run what is out of date, as `dvc repro` does."""
        with contextlib.chdir(self.folder), Repo() as repo:
            repo.reproduce()

    def review(self, base: str | None = None, prices: Prices | None = None) -> Review:
        return gather(self.folder, base, prices or Prices())

    def comment(self, base: str | None = None, prices: Prices | None = None) -> str:
        return markdown(self.review(base, prices))

    def run(self, *words: str) -> str:
        done = subprocess.run(
            words,
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
