"""Record real training runs, healthy ones and ones that something is done to.

    python benchmarks/collapse/record.py --work FOLDER --real FOLDER

Trains every row of trunks.csv and of branches.csv with the trainer's own loop, one thread, and
measures their checkpoints as `dvdgan evaluate --checkpoint` does. What a supervisor would have seen
is left in FOLDER/histories, a file a run; started again, or beside another one with other names, it
makes what is missing. assemble.py makes the test data of it. The folder --real holds the folders of
real videos that datasets.py names; without it the runs on real videos are left out.
"""

import argparse
import json
import shutil
import signal
import time
import traceback
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from datasets import DATA, prepared
from fault import Struck
from runs import Branch, Trunk, branches, trunks

from dvdgan.config.schema import RunSettings
from dvdgan.data.dataset import ClipDataset
from dvdgan.errors import InterruptedRunError, UserError
from dvdgan.guard.run_folder import RunFolder
from dvdgan.machine import Machine
from dvdgan.stages.evaluate import run_checkpoint
from dvdgan.storage.local import read_json, write_json
from dvdgan.training import loop
from dvdgan.training.runtime import Runtime
from dvdgan.training.train_step import TrainStep


def train(run: RunFolder, settings: RunSettings, branch: Branch | None = None) -> None:
    """To the end, or to a number that is not finite."""
    write_json(run.settings, settings.model_dump())
    clip = settings.clip
    job = loop.Job(
        run,
        settings.fingerprint,
        clip,
        settings.model,
        settings.train,
        ClipDataset(Path(settings.shards), "train", clip.resolution, clip.frames, clip.stride),
        Runtime.start(),
        Machine.load(variables={}),
    )
    try:
        with patch.object(loop, "TrainStep", partial(_round, branch)):
            loop.train(job)
    except loop.NonFiniteError as broken:
        print(f"{settings.fingerprint}: {broken}", flush=True)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _round(branch: Branch | None, *parts: Any) -> TrainStep | Struck:
    train_step = TrainStep(*parts)
    if branch is None or branch.fault is None:
        return train_step
    return Struck(train_step, branch.fault, branch.onset)


def measure(run: RunFolder, after: int | None = None) -> None:
    """Measure every checkpoint later than step ``after``; None: all, and the baseline."""
    for step in [0, *run.saved_steps()]:
        if (after is None or step > after) and not run.evaluation(step).exists():
            run_checkpoint(run.checkpoint(step), run.evaluation(step))


def make_branch(branch: Branch, trunk: RunSettings, work: Path) -> None:
    origin = RunFolder(work / "runs" / branch.trunk)
    folder = RunFolder(work / "runs" / branch.name)
    shutil.rmtree(folder.root, ignore_errors=True)  # half a run
    shutil.copytree(origin.checkpoint(branch.begin), folder.checkpoint(branch.begin))
    train(folder, branch.settings(trunk), branch)
    measure(folder, after=branch.begin)


def history(folder: RunFolder) -> dict[str, Any]:
    """All that a supervisor would have seen of the run's own steps."""
    untrained = folder.evaluation(0)
    measured = sorted(set(untrained.parent.glob("step-*.json")) - {untrained})
    return {
        "baseline": read_json(untrained) if untrained.exists() else None,
        "telemetry": _lines(folder.metrics),
        "spectra": _lines(folder.spectra),
        "evaluations": [
            {"step": int(path.stem.removeprefix("step-"))} | read_json(path) for path in measured
        ],
        "failure": read_json(folder.failure) if folder.failure.exists() else None,
    }


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def make(
    trunk: Trunk, branch: Branch | None, work: Path, real: Path | None, measured: bool = True
) -> None:
    """Make a run and, where it is to be ``measured``, its history."""
    config = prepared(trunk.data, work / "data", real)
    artefacts = work / "data" / trunk.data.replace(" ", "-") / "artifacts"
    settings = trunk.settings(config, artefacts)
    name = trunk.name if branch is None else branch.name
    folder = RunFolder(work / "runs" / name)
    if branch is None:
        train(folder, settings)
        if not measured:
            return
        measure(folder)
    else:
        make_branch(branch, settings, work)
    about = asdict(trunk) | {"real": DATA[trunk.data].folder is not None, "trunk": None}
    if branch is not None:
        about |= asdict(branch) | {"hard": branch.hard}
    write_json(work / "histories" / f"{name}.json", about | history(folder))


def refuse_others(work: Path) -> None:
    """Raise UserError for a folder that holds more than this program makes: half runs go."""
    mine = {"data", "runs", "histories"}
    others = sorted({path.name for path in work.iterdir()} - mine) if work.exists() else []
    if others:
        raise UserError(
            f"{work} holds {', '.join(others[:5])}", todo="name a folder for the runs alone"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="where runs are made and kept")
    parser.add_argument("--real", type=Path, help="folder that holds weizmann/ and intel_scenes/")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no run later")
    parser.add_argument("names", nargs="*", help="of the runs to make; none: all of them")
    parser.add_argument("--train", action="store_true", help="measure them another time")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    work, began = arguments.work.resolve(), time.monotonic()
    refuse_others(work)
    known = branches()
    names = arguments.names or [*trunks(), *known]
    for number, name in enumerate(names, start=1):
        branch = known.get(name)
        trunk = trunks()[branch.trunk if branch else name]
        done = (work / "histories" / f"{name}.json").exists()
        if done or (arguments.real is None and DATA[trunk.data].folder is not None):
            continue
        minutes = (time.monotonic() - began) / 60
        if minutes > arguments.minutes:
            break
        print(f"record: {name}, {number} of {len(names)}, {minutes:.0f} min", flush=True)
        try:
            make(trunk, branch, work, arguments.real, not arguments.train)
        except InterruptedRunError:
            print(f"record: stopped in {name}", flush=True)
            break
        except Exception:  # one run that cannot be made must not end the others
            traceback.print_exc()
            print(f"record: {name} was not made", flush=True)


if __name__ == "__main__":
    main()
