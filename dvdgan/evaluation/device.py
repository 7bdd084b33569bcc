"""Where clips are sampled and measured: DVDGAN_EVALUATION_DEVICE, else on a GPU if there is one."""

import sys
from collections.abc import Callable
from typing import TypeVar

import torch

from dvdgan.errors import UserError
from dvdgan.guard.environment import RunEnvironment
from dvdgan.guard.numeric_environment import refuse_other_arithmetic

# Of the memory that is free on a GPU when an evaluation begins; the rest is left to the trainer.
SHARE_OF_FREE = 0.5

Result = TypeVar("Result")


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


def device_beside_trainer() -> str:
    """The same for an evaluation while ranks train: where none is asked for, the last GPU.

    Rank r of a host trains on visible GPU r, so the last one is free where any is, and it is rank
    0's only where there is no other.
    """
    chosen, gpus = device(), torch.cuda.device_count()
    asked = RunEnvironment.from_environment().evaluation_device
    return f"cuda:{gpus - 1}" if asked is None and gpus else chosen


def beside_trainer(work: Callable[[str], Result]) -> Result:
    """``work`` on the device beside the trainer, within SHARE_OF_FREE of a GPU's free memory.

    Where that is too little, ``work`` is done again from its beginning, on the CPU.
    """
    where = device_beside_trainer()
    if where == "cpu":
        return work(where)
    try:
        _limit_memory(where)
        return work(where)
    except RuntimeError as error:
        if not _out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0]
    # Behind the handler: what it held of the GPU is free again.
    print(
        f"evaluate: too little memory is free on {where} ({reason}): measuring on the CPU; "
        "DVDGAN_EVALUATION_DEVICE names another GPU",
        file=sys.stderr,
        flush=True,
    )
    return work("cpu")


def allowed_fraction(free: int, total: int) -> float:
    """The part of a GPU's ``total`` bytes an evaluation may take when ``free`` bytes are free."""
    return SHARE_OF_FREE * free / total


def _limit_memory(gpu: str) -> None:
    index = torch.device(gpu).index or 0  # "cuda" is the first
    free, total = torch.cuda.mem_get_info(index)
    torch.cuda.set_per_process_memory_fraction(allowed_fraction(free, total), index)


def _out_of_memory(error: RuntimeError) -> bool:
    """Torch's allocator has an error of its own; cuBLAS, cuDNN and the driver say it in words."""
    words = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or (
        "out of memory" in words or "alloc_failed" in words
    )
