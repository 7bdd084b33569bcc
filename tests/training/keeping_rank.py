"""A trainer of which every process keeps what it holds at the end, in $KEPT/rank<n>.safetensors.

Started as a launcher starts it: SCRIPT dvdgan.training RUN_FOLDER.
"""

import os
import sys
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from dvdgan.training import __main__ as trainer
from dvdgan.training import loop
from dvdgan.training.state import TrainState

states: list[TrainState] = []
begin = loop.initial_state


def noted(*arguments: Any) -> TrainState:
    states.append(begin(*arguments))
    return states[0]


loop.initial_state = noted
del sys.argv[1]
code = trainer.main()
tensors = {
    f"{name} {key}": tensor.contiguous()
    for name in ("generator", "discriminators", "average")
    for key, tensor in getattr(states[0], name).state_dict().items()
}
save_file(tensors, Path(os.environ["KEPT"]) / f"rank{os.environ['RANK']}.safetensors")
sys.exit(code)
