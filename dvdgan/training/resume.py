"""Resuming from the latest valid checkpoint, on any number of processes."""

from typing import TYPE_CHECKING, Any

from dvdgan.guard.run_folder import RunFolder, latest_valid, step_name
from dvdgan.storage.local import remove_abandoned
from dvdgan.training.checkpoint import all_tensors, load_checkpoint, set_numbers
from dvdgan.training.runtime import Runtime
from dvdgan.training.state import TrainState, blank_state, initial_state

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip, Model, Train


def resumed_state(
    run: RunFolder, clip: "Clip", model: "Model", train: "Train", classes: int, runtime: Runtime
) -> TrainState:
    """The state of the latest valid checkpoint, or that before step 1.

    The main process alone reads the run folder and broadcasts what it read.
    """
    step = runtime.from_main(lambda: _latest(run))
    if step is None:
        restart = runtime.from_main(lambda: run.schedule_override().restart_index)
        state = initial_state(clip, model, train, classes, runtime.device, restart)
    else:
        state = blank_state(clip, model, train, classes, runtime.device)
        set_numbers(state, runtime.from_main(lambda: _load(run, step, state, runtime)))
        runtime.broadcast_tensors(all_tensors(state))
    return state


def _latest(run: RunFolder) -> int | None:
    remove_abandoned(run.checkpoints)
    step, skipped = latest_valid(run)
    for line in skipped:
        print(line, flush=True)
    return step


def _load(run: RunFolder, step: int, state: TrainState, runtime: Runtime) -> dict[str, Any]:
    rest = load_checkpoint(state, run.checkpoint(step))
    print(f"train: resumed from {step_name(step)}", flush=True)
    now = runtime.conditions()
    changed = [
        f"{value} {name} instead of {rest['conditions'][name]}"
        if isinstance(value, int)
        else f"{name} {value} instead of {rest['conditions'][name]}"
        for name, value in now.items()
        if value != rest["conditions"][name]
    ]
    if changed:
        print(
            f"train: now {', '.join(changed)}: the clips, latents and views and their order are "
            "the same, but sums are rounded differently, so the weights are no longer "
            "bit-identical to those of an uninterrupted run",
            flush=True,
        )
    return rest
