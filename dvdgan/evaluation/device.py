"""Where clips are sampled and measured: DVDGAN_EVALUATION_DEVICE, else on a GPU if there is one."""

import torch

from dvdgan.errors import UserError
from dvdgan.guard.environment import RunEnvironment


def device() -> str:
    """The device's name for torch. Raises UserError where the one asked for is not there."""
    gpus = torch.cuda.device_count()
    asked = RunEnvironment.from_environment().evaluation_device
    if asked is None:
        return "cuda" if gpus else "cpu"
    if asked != "cpu" and int(asked.partition(":")[2] or 0) >= gpus:
        raise UserError(
            f"DVDGAN_EVALUATION_DEVICE is {asked}, and there are {gpus} GPUs here",
            where="the environment variable DVDGAN_EVALUATION_DEVICE",
            todo="set it to cpu or to a GPU that is there (cuda:0 is the first)",
        )
    return asked
