"""The checkpoint a scheduled evaluation looks at, and the work tree that makes it a bundle."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from dvdgan.config import load_config, parse_config
from dvdgan.config.schema import RunSettings
from dvdgan.errors import UserError
from dvdgan.guard import ledger
from dvdgan.guard.run_folder import RunFolder, step_name, step_of, verify_checkpoint
from dvdgan.storage.local import atomic_directory, link_or_copy, write_json

RUNS = Path(".runs/train")
TREES = Path(".runs/evaluate")
PUBLISHED = Path("artifacts/train")


@dataclass(frozen=True)
class EvaluationTarget:
    """A checkpoint that was the best of its run so far; the run may still be training."""

    folder: Path
    """The work tree its run belongs to."""
    run: RunFolder
    step: int

    @property
    def name(self) -> str:
        return f"{self.run.root.name}-{step_name(self.step)}"

    @property
    def is_published(self) -> bool:
        """Whether this is the best checkpoint of a finished run of the present params.yaml, so that
        DVC's own stages evaluate it."""
        there = self.folder / PUBLISHED / self.run.ledger.name
        if not there.is_file() or there.read_bytes() != self.run.ledger.read_bytes():
            return False
        settings, config = self._settings(), load_config(self.folder / "params.yaml")
        same = (settings.clip, settings.model, settings.train) == (
            *(config.clip, config.model, config.train),
        )
        return same and ledger.best_in_line(ledger.read(self.run.ledger)) == self.step

    def lay_out(self) -> Path:
        """A work tree in which the stages after train, as plain commands, measure this checkpoint.

        It has what they read: the run's own params, links to the artefacts of the stages before
        train, and the checkpoint in the place of a finished run's. Neither the run nor DVC knows.
        """
        tree = self.folder / TREES / self.name
        artifacts, settings = tree / "artifacts", self._settings()
        artifacts.mkdir(parents=True, exist_ok=True)
        index = "artifacts/index"
        for needed in (index, settings.shards, settings.features, settings.reference):
            _link(self.folder / needed, artifacts / Path(needed).name)
        cache = self.folder / ".runs/features"
        cache.mkdir(parents=True, exist_ok=True)
        (tree / ".runs").mkdir(exist_ok=True)
        _link(cache, tree / ".runs/features")  # of the real clips, measured once for all
        write_json(tree / "params.yaml", self._params(settings))  # YAML holds all of JSON
        with atomic_directory(artifacts / PUBLISHED.name) as train:
            self._gather(train)
        return tree

    def _gather(self, train: Path) -> None:
        checkpoint = self.run.checkpoint(self.step)
        shutil.copytree(checkpoint, train / "checkpoint", copy_function=link_or_copy)
        problem = verify_checkpoint(train / "checkpoint")
        if problem is not None:
            raise UserError(f"the checkpoint is damaged: {problem}", where=str(checkpoint))
        (train / "samples").mkdir()
        for sheet in self.run.samples.glob("step-*.png"):
            if step_of(sheet) <= self.step:
                link_or_copy(str(sheet), str(train / "samples" / sheet.name))
        lines = ledger.whole_lines(self.run.metrics).decode().splitlines(keepends=True)
        upto = [line for line in lines if json.loads(line)["step"] <= self.step]
        (train / self.run.metrics.name).write_text("".join(upto), encoding="utf-8")
        (train / self.run.ledger.name).write_bytes(ledger.whole_lines(self.run.ledger))

    def _params(self, settings: RunSettings) -> dict[str, object]:
        now = load_config(self.folder / "params.yaml").model_dump()
        its_own = settings.model_dump(include={"clip", "model", "train"})
        return parse_config(now | its_own, source=str(self.run.settings)).model_dump()

    def _settings(self) -> RunSettings:
        return RunSettings.model_validate_json(self.run.settings.read_text(encoding="utf-8"))


def find_target(folder: Path, run_name: str | None, step: int | None) -> EvaluationTarget | None:
    """The newest best checkpoint of the run that was judged last; or of ``run_name``, ``step``.

    A checkpoint counts that was the best when it was judged, unless a rollback discarded it. None
    if there is none yet. Raises UserError when ``step`` is not such a checkpoint.
    """
    runs = [RunFolder(path.parent) for path in (folder / RUNS).glob("*/ledger.jsonl")]
    runs.sort(key=lambda run: run.ledger.stat().st_mtime_ns, reverse=True)
    for run in runs:
        if run_name in (None, run.root.name):
            steps = ledger.best_so_far(ledger.read(run.ledger)) & set(run.saved_steps())
            if step is None and steps:
                return EvaluationTarget(folder, run, max(steps))
            if step in steps:
                return EvaluationTarget(folder, run, step)
    if step is None:
        return None
    raise UserError(
        f"step {step} was never the best checkpoint, or was rolled back",
        where=str(folder / RUNS / (run_name or "")),
        todo="give a step that was the best when it was evaluated, or 0 for the newest",
    )


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    target.symlink_to(source.resolve())
