"""A trainer that holds after step $HOLD_AT until it is stopped: none is stopped too late.

A file `released` in the working folder lets it go on.

Started as a launcher starts it: SCRIPT dvdgan.training RUN_FOLDER. Any other module is just run.
"""

import os
import runpy
import sys
import time
from pathlib import Path

from dvdgan.training import __main__ as trainer
from dvdgan.training.checkpoint_manager import CheckpointManager
from dvdgan.training.state import TrainState
from dvdgan.training.telemetry import Telemetry

after_step = CheckpointManager.after_step


def hold_then_save(
    checkpoints: CheckpointManager, state: TrainState, telemetry: Telemetry | None
) -> bool:
    while state.step == int(os.environ["HOLD_AT"]) and not checkpoints._stop.requested:
        if Path("released").exists():
            break
        time.sleep(0.01)
    return after_step(checkpoints, state, telemetry)


CheckpointManager.after_step = hold_then_save
module = sys.argv.pop(1)
if module == trainer.__package__:
    sys.exit(trainer.main())
runpy.run_module(module, run_name="__main__")
