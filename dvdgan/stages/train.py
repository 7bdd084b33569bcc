"""`dvdgan train`: train under supervision, publish the best checkpoint."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from dvdgan.config import fingerprint
from dvdgan.config.schema import RunSettings
from dvdgan.data.shard_source import open_shards, read_index
from dvdgan.errors import EXIT_INTERRUPTED, InterruptedRunError, UserError, redacted
from dvdgan.guard import ledger
from dvdgan.guard.earlier_runs import EarlierRun, backed_up_runs, local_runs
from dvdgan.guard.interruption import raise_if_interrupted
from dvdgan.guard.numeric_environment import refuse_other_training
from dvdgan.guard.origin import SECTIONS, RunOrigin, flat
from dvdgan.guard.parent_death_signal import parent_variable
from dvdgan.guard.remote_backup import backed_up
from dvdgan.guard.run_choice import NO_REQUEST, RunRequest, choose
from dvdgan.guard.run_folder import RunFolder, step_of
from dvdgan.guard.run_lock import lock
from dvdgan.guard.supervisor import SupervisorActions, supervise
from dvdgan.machine import Machine
from dvdgan.protocols import PROTOCOLS
from dvdgan.provenance.changes import normalised_code
from dvdgan.provenance.lock import fingerprint_of
from dvdgan.provenance.modules import code_of_stage
from dvdgan.stages.artefacts import FEATURES, REFERENCE, RUNS, SHARDS, TRAIN
from dvdgan.storage.local import (
    atomic_directory,
    link_or_copy,
    read_json,
    sha256_of_file,
    write_json,
)
from dvdgan.storage.output import check_stage_output

if TYPE_CHECKING:
    from dvdgan.config import Config

POLL_SECONDS = 0.2


def run(config: "Config", request: RunRequest = NO_REQUEST) -> None:
    """Complete the run of these params, data and code, and write artifacts/train.

    Works in .runs/train/<fingerprint>, so that the same command resumes after an interruption, and
    a changed parameter starts a new run; ``request`` decides what happens after a change of the
    code. With DVDGAN_BACKUP the folder has a remote backup from which another machine can resume.
    Raises InterruptedRunError after a signal, UserError if the run never learned.
    """
    check_stage_output(TRAIN)
    refuse_other_training(config.train)
    machine = Machine.load()
    machine.share()  # with trainers, evaluations and Prefect
    folder = prepare(config, request)
    with lock(folder.command_lock, "another `dvdgan train`"):
        with backed_up(folder, machine):
            _supervise(folder, config, machine)
        events = ledger.read(folder.ledger)
        best = folder.best_checkpoint()
        assert best is not None  # supervise has raised otherwise
        _publish(folder, best)
    steps, reached = f"{config.train.steps:,}", ledger.reached(events)
    done = f"{steps} steps" if reached == config.train.steps else f"{reached:,} of {steps} steps"
    failed = ", ".join(map(str, ledger.not_evaluated(events)))
    unjudged = f" (not evaluated: step {failed})" if failed else ""
    print(f"train: {done}, best checkpoint at step {step_of(best):,}{unjudged} -> {TRAIN}")


def prepare(config: "Config", request: RunRequest = NO_REQUEST) -> RunFolder:
    """The run folder of these params, data and code; created if it does not exist.

    Raises UserError if other code started that run, unless ``request`` decides.
    """
    protocol = config.features.protocols[0]
    now, name = _origin(config, protocol)
    choice = choose(now, _earlier_runs(now), request, RUNS / "train", name)
    for line in choice.lines:
        print(line, flush=True)
    folder = RunFolder(RUNS / "train" / choice.name)
    settings = RunSettings(
        clip=config.clip,
        model=config.model,
        train=config.train,
        shards=str(SHARDS),
        features=str(FEATURES),
        reference=str(REFERENCE),
        protocol=protocol,
        fingerprint=choice.name,
    )
    choice.origin.write(folder.provenance)  # first: without it a run is an earlier version's
    write_json(folder.settings, settings.model_dump())
    return folder


def _origin(config: "Config", protocol: str) -> tuple[RunOrigin, str]:
    """The origin of a run started now, and its fingerprint."""
    index = hashlib.sha256(read_index(open_shards(SHARDS))).hexdigest()
    inputs = (
        FEATURES / PROTOCOLS[protocol].network / "config.json",
        REFERENCE / protocol / "reference.json",
        REFERENCE / "ranges.json",
    )
    for path in inputs:
        if not path.is_file():
            raise UserError(f"{path} is missing", todo="run `dvc repro train`")
    data = {str(SHARDS / "index.json"): index}
    data |= {str(path): sha256_of_file(path) for path in inputs}
    code = normalised_code(code_of_stage("train"))
    params = flat({name: getattr(config, name).model_dump() for name in SECTIONS})
    name = fingerprint(
        config.clip, config.model, config.train, fingerprint_of(code), *data.values()
    )
    return RunOrigin(params, data, code), name


def _earlier_runs(now: RunOrigin) -> list[EarlierRun]:
    """The local runs; if none of them can be continued, also those of the backup."""
    earlier = local_runs(RUNS / "train")
    backup = Machine.load().stores.backup
    if backup is None or any(run.step and run.origin.equals(now) for run in earlier):
        return earlier
    return earlier + backed_up_runs(backup)


def _supervise(folder: RunFolder, config: "Config", machine: Machine) -> None:
    api = machine.prefect.api_url
    if api and _answers(api):
        # The same supervisor with its actions as Prefect tasks (flows/train.py), in a process
        # of its own: importing Prefect takes seconds and this package does without it. In a session
        # of its own it gets one signal, from here: a second one would end the trainer as it saves.
        command = [sys.executable, "-m", "flows.train", str(folder.root)]
        code = _wait(
            subprocess.Popen(command, start_new_session=True, env=os.environ | parent_variable())
        )
        if code == EXIT_INTERRUPTED:
            raise InterruptedRunError("the trainer was stopped; its last checkpoint is saved")
        if code != 0:
            raise UserError(f"the supervised run failed (exit code {code})", where=str(folder.root))
        return
    machine.refuse_without_prefect()
    supervise(folder, config.train, SupervisorActions())


def _wait(process: "subprocess.Popen[bytes]") -> int:
    try:
        while process.poll() is None:
            raise_if_interrupted()
            time.sleep(POLL_SECONDS)
    except InterruptedRunError:
        process.terminate()  # it stops the trainer, which saves
        process.wait()
        raise
    return process.wait()


def _answers(api: str) -> bool:
    # urllib takes a password in the URL for a port, and prints it.
    scheme, _, place = api.partition("://")
    credentials, _, address = place.rpartition("@")
    request = urllib.request.Request(f"{scheme}://{address.rstrip('/')}/health")
    if credentials:
        encoded = base64.b64encode(unquote(credentials).encode()).decode()
        request.add_header("Authorization", f"Basic {encoded}")
    try:
        with urllib.request.urlopen(request, timeout=5):
            return True
    except (OSError, ValueError, HTTPException) as error:
        line = redacted(
            f"train: Prefect does not answer at {api} ({error}); training continues without it"
        )
        print(line, file=sys.stderr)
        return False


def _publish(folder: RunFolder, best: Path) -> None:
    """Link the results into artifacts/train; they are equal for equal runs.

    Steps after the last judged one are left out, because the step at which a trainer is stopped
    depends on timing.
    """
    judged = ledger.reached(ledger.read(folder.ledger))
    with atomic_directory(TRAIN) as aside:
        shutil.copytree(best, aside / "checkpoint", copy_function=link_or_copy)
        (aside / "samples").mkdir()
        for sheet in sorted(folder.samples.glob("step-*")):
            if step_of(sheet) <= judged:
                link_or_copy(str(sheet), str(aside / "samples" / sheet.name))
        lines = folder.metrics.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if json.loads(line)["step"] <= judged]
        (aside / folder.metrics.name).write_text("".join(kept), encoding="utf-8")
        shutil.copy(folder.ledger, aside)
        if continued := read_json(folder.provenance)["continued"]:
            write_json(aside / "code_changes.json", continued)
