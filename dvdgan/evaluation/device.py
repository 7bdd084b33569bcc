"""Where clips are sampled and measured: DVDGAN_EVALUATION_DEVICE, else on a GPU if there is one."""

import torch

from dvdgan.errors import UserError
from dvdgan.guard.environment import RunEnvironment
from dvdgan.guard.numeric_environment import refuse_other_arithmetic


def device() -> str:
    """The device's name for torch, which is set to compute fp32 as fp32 there.

    Raises UserError where the one asked for is not there, or where a variable of another library
    would change how torch computes.
    """
    refuse_other_arithmetic()
    # Whatever TORCH_ALLOW_TF32_CUBLAS_OVERRIDE says, which NVIDIA's containers set.
    torch.set_float32_matmul_precision("highest")
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
