"""The working folder of one training run: its files, and the validity of its checkpoints."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvdgan.guard.ledger import (
    ScheduleOverride,
    best,
    best_in_line,
    evaluations,
    read,
    schedule_override_of,
)
from dvdgan.storage.local import (
    make_folder,
    read_json,
    replace_directory,
    sha256_of_file,
    write_json,
)
from dvdgan.storage.reading import DamagedFileError

MANIFEST = "manifest.json"

# The only kinds of files a checkpoint holds: neither can run code when it is read.
SAFE = (".safetensors", ".json")
UNSAFE = "neither safetensors nor JSON: refused, because other formats may run code"

# Exit code of a trainer that met a number that is not finite.
EXIT_NON_FINITE = 3


@dataclass(frozen=True)
class RunFolder:
    """`.runs/train/<fingerprint>/`. The trainer writes checkpoints and telemetry, the supervisor
    the ledger; each appends only to its own files."""

    root: Path

    @property
    def settings(self) -> Path:
        """The params and paths this run was started with (JSON)."""
        return self.root / "settings.json"

    @property
    def provenance(self) -> Path:
        """The data and the code it was started with, and what changed since (guard/origin.py)."""
        return self.root / "provenance.json"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def collapsed(self) -> Path:
        """Checkpoints moved aside by a rollback: kept for study, never resumed from."""
        return self.root / "collapsed"

    @property
    def kept_best(self) -> Path:
        """The best checkpoint, where a rollback went back past it: step-XXXXXXXX, one at most."""
        return self.root / "best"

    @property
    def metrics(self) -> Path:
        """Losses and logits of every step (JSON lines)."""
        return self.root / "metrics.jsonl"

    @property
    def timing(self) -> Path:
        """Clips per second and data-wait share (JSON lines); differs from run to run."""
        return self.root / "timing.jsonl"

    @property
    def spectra(self) -> Path:
        """The largest singular values of every layer, now and then (JSON lines)."""
        return self.root / "spectra.jsonl"

    @property
    def telemetry(self) -> tuple[Path, Path, Path]:
        """The files of JSON lines that grow with the run."""
        return self.metrics, self.timing, self.spectra

    @property
    def samples(self) -> Path:
        """Sample sheets of fixed latents, step-XXXXXXXX.png."""
        return self.root / "samples"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.jsonl"

    @property
    def failure(self) -> Path:
        """Written by a trainer that met a non-finite number: {step, what}."""
        return self.root / "failure.json"

    @property
    def interrupted(self) -> Path:
        """Written by a trainer that saved and ended because of a signal: {step}."""
        return self.root / "interrupted.json"

    @property
    def command_lock(self) -> Path:
        """Held by the one `dvdgan train` that works on this run (guard/run_lock.py)."""
        return self.root / "command.lock"

    @property
    def supervisor_lock(self) -> Path:
        """Held by the one supervisor, until its trainer has ended."""
        return self.root / "supervisor.lock"

    @property
    def trainer_lock(self) -> Path:
        """Held by the one trainer's main process, which alone writes checkpoints."""
        return self.root / "trainer.lock"

    def checkpoint(self, step: int) -> Path:
        return self.checkpoints / step_name(step)

    def evaluation(self, step: int) -> Path:
        """The result of evaluating one checkpoint, by the present restart index (JSON)."""
        restart_index = self.schedule_override().restart_index
        return self.root / "evaluations" / str(restart_index) / f"{step_name(step)}.json"

    def saved_steps(self) -> list[int]:
        """Steps with a completely written checkpoint, ascending."""
        found = self.checkpoints.glob(f"step-*/{MANIFEST}")
        return sorted(step_of(path.parent) for path in found)

    def schedule_override(self) -> ScheduleOverride:
        """What rollbacks have changed about training so far."""
        return schedule_override_of(read(self.ledger))

    def best_checkpoint(self) -> Path | None:
        """The folder of the checkpoint that the run ends with; None when none was healthy.

        A remote backup does not hold best/: restored from it, a run ends with the best one it has.
        """
        events = read(self.ledger)
        found = best(events)
        if found is not None and found not in evaluations(events):
            kept = self.kept_best / step_name(found["step"])
            if kept.exists():
                return kept
            found = best(evaluations(events))
        return None if found is None else self.checkpoint(found["step"])

    def remove(self, step: int) -> None:
        """Delete a checkpoint; killed half way, it is one that was never finished."""
        (self.checkpoint(step) / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(self.checkpoint(step))

    def move_aside(self, after: int, restart_index: int) -> None:
        """Move every checkpoint later than step ``after`` to collapsed/<restart_index>/.

        The best one of the run goes to best/ instead: the run may still end with it.
        """
        best_here = best_in_line(read(self.ledger))
        if best_here is not None and best_here > after and self.checkpoint(best_here).exists():
            shutil.rmtree(self.kept_best, ignore_errors=True)  # an older one, which was worse
            make_folder(self.kept_best)
            replace_directory(self.checkpoint(best_here), self.kept_best / step_name(best_here))
        target = self.collapsed / str(restart_index)
        make_folder(target)
        for step in [step for step in self.saved_steps() if step > after]:
            replace_directory(self.checkpoint(step), target / step_name(step))


def step_name(step: int) -> str:
    return f"step-{step:08d}"


def step_of(path: Path) -> int:
    """The step in a name made by step_name, with or without a suffix."""
    return int(path.stem.removeprefix("step-"))


def write_manifest(folder: Path) -> None:
    """Write the manifest: the sha256 and size of every file in a finished checkpoint."""
    files = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
    entries = {
        path.name: {"sha256": sha256_of_file(path), "bytes": path.stat().st_size} for path in files
    }
    write_json(folder / MANIFEST, entries)


def verify_checkpoint(folder: Path) -> str | None:
    """What is wrong with a checkpoint, naming the file, or None when every hash is right.

    A file that is neither safetensors nor JSON, or that the manifest does not list, is refused.
    """
    try:
        entries = read_manifest(folder)
    except ValueError as error:
        return str(error)
    for path in sorted(folder.iterdir()):
        if path.suffix not in SAFE:
            return f"{path.name} is {UNSAFE}"
        if path.name not in entries and path.name != MANIFEST:
            return f"{path.name} is not in {MANIFEST}: refused"
    for name, entry in entries.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != entry["bytes"]:
            return f"{name} has {path.stat().st_size} bytes, not {entry['bytes']}"
        if sha256_of_file(path) != entry["sha256"]:
            return f"{name} does not have the sha256 in {MANIFEST}"
    return None


def read_manifest(folder: Path) -> dict[str, dict[str, Any]]:
    """The sha256 and the bytes of each file of a checkpoint, by name.

    Raises ValueError if it is not what `write_manifest` writes.
    """
    try:
        entries = read_json(folder / MANIFEST)
    except DamagedFileError as error:
        raise ValueError(error.what) from error
    except OSError as error:
        raise ValueError(f"{MANIFEST}: {error}") from error
    if not isinstance(entries, dict):
        raise ValueError(f"{MANIFEST} does not list files")
    for name, entry in entries.items():
        if name in ("", ".", "..", MANIFEST) or "/" in name:
            raise ValueError(f"{MANIFEST} lists {name!r}, which is not a file of this folder")
        if Path(name).suffix not in SAFE:
            raise ValueError(f"{name} is {UNSAFE}")
        if not isinstance(entry, dict) or not isinstance(entry.get("sha256"), str):
            raise ValueError(f"{MANIFEST} has no sha256 of {name}")
        if type(entry.get("bytes")) is not int:
            raise ValueError(f"{MANIFEST} does not have the bytes of {name}")
    return entries


def latest_valid(run: RunFolder) -> tuple[int | None, list[str]]:
    """The newest undamaged checkpoint's step, and a line for each damaged one skipped."""
    skipped: list[str] = []
    for step in reversed(run.saved_steps()):
        problem = verify_checkpoint(run.checkpoint(step))
        if problem is None:
            return step, skipped
        skipped.append(f"checkpoint {step_name(step)} is damaged and skipped: {problem}")
    return None, skipped
