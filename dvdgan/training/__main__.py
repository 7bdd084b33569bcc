"""One trainer process: `python -m dvdgan.training RUN_FOLDER`, also under torchrun or accelerate.

`dvdgan train` starts it, follows it, and starts it again after a rollback.
"""

import socket
import sys
from contextlib import nullcontext
from pathlib import Path

from dvdgan.config.schema import RunSettings
from dvdgan.data.dataset import open_clips
from dvdgan.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR, InterruptedRunError, UserError
from dvdgan.guard.numeric_environment import refuse_other_methods, refuse_other_training
from dvdgan.guard.parent_death_signal import set_parent_death_signal
from dvdgan.guard.run_folder import EXIT_NON_FINITE, RunFolder
from dvdgan.guard.run_lock import lock
from dvdgan.machine import Machine
from dvdgan.machine.keys import KEYS
from dvdgan.provenance.lock import fingerprint_of
from dvdgan.provenance.modules import code_of_stage
from dvdgan.storage.store import StoreUnavailableError
from dvdgan.streams import keep_streams
from dvdgan.training.loop import Job, NonFiniteError, train
from dvdgan.training.runtime import Runtime


def main() -> int:
    """Train; the exit code says how it ended (0, 2, 75, or EXIT_NON_FINITE)."""
    set_parent_death_signal()
    keep_streams()
    run = RunFolder(Path(sys.argv[1]))
    try:
        machine = Machine.load()
        refuse_other_methods()  # accelerate would read them next
        runtime = Runtime.start()
        settings = runtime.from_main(lambda: _settings(run))
        refuse_other_training(settings.train)
        _refuse_other_code(runtime)
        clip = settings.clip
        dataset = open_clips(Path(settings.shards), "train", clip)
        parts = runtime.world_size * settings.train.accumulation
        if settings.train.batch_size % parts:
            raise UserError(
                f"train.batch_size is {settings.train.batch_size}, which cannot be divided evenly "
                f"among {runtime.world_size} processes with train.accumulation = "
                f"{settings.train.accumulation}",
                where=f"params.yaml; {KEYS['launch.launcher'].place}",
                todo=f"set train.batch_size to a multiple of {parts}",
            )
        job = Job(
            run,
            settings.fingerprint,
            clip,
            settings.model,
            settings.train,
            dataset,
            runtime,
            machine,
        )
        # The main process alone reads and writes the run folder, and the others do what it does:
        # they may be on hosts without it.
        with lock(run.trainer_lock, "another trainer") if runtime.is_main else nullcontext():
            train(job)
    except StoreUnavailableError as gone:
        print(f"train: {gone}; run the same command again when it is available", file=sys.stderr)
        return EXIT_INTERRUPTED
    except InterruptedRunError as stopped:
        print(f"train: {stopped}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except NonFiniteError as broken:
        print(f"train: {broken}", file=sys.stderr)
        return EXIT_NON_FINITE
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    return 0


def _settings(run: RunFolder) -> RunSettings:
    return RunSettings.model_validate_json(run.settings.read_text(encoding="utf-8"))


def _refuse_other_code(runtime: Runtime) -> None:
    """Raise UserError where this process and the main one, on another host, train by other code."""
    if runtime.world_size == 1:
        return
    here = fingerprint_of(code_of_stage("train"))
    if here != runtime.from_main(lambda: here):
        raise UserError(
            "this host has other code than the first one: their processes would train two models",
            where=f"{Path(__file__).parents[1]} on {socket.gethostname()}",
            todo="use the same image, or the same commit, on all nodes",
        )


if __name__ == "__main__":
    sys.exit(main())
