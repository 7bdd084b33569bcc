"""A trainer of which every process keeps what it holds at the end, in $KEPT/rank<n>.safetensors.

Started as a launcher starts it: SCRIPT dvdgan.training RUN_FOLDER. It computes in float64, where
sums that are rounded in another order do not grow apart. Every process but the first one sees no
run folder, as on a host of its own.
"""

import os
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from dvdgan.training import __main__ as trainer
from dvdgan.training import loop, train_step
from dvdgan.training.state import TrainState

states: list[TrainState] = []
begin = loop.resumed_state


def noted(*arguments: Any) -> TrainState:
    states.append(begin(*arguments))
    return states[0]


torch.set_default_dtype(torch.float64)
train_step.to_model_range = lambda clips: clips.double() / 127.5 - 1
loop.resumed_state = noted
del sys.argv[1]
if os.environ.get("RANK", "0") != "0":
    sys.argv[1] = "/nowhere/run"
code = trainer.main()
tensors = {
    f"{name} {key}": tensor.contiguous()
    for name in ("generator", "discriminators", "average")
    for key, tensor in getattr(states[0], name).state_dict().items()
}
save_file(tensors, Path(os.environ["KEPT"]) / f"rank{os.environ.get('RANK', '0')}.safetensors")
sys.exit(code)
