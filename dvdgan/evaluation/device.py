"""The device of evaluations: DVDGAN_EVALUATION_DEVICE, else a GPU if there is one."""

import sys
from collections.abc import Callable
from typing import TypeVar

import torch

from dvdgan.errors import UserError
from dvdgan.guard.numeric_environment import refuse_other_arithmetic
from dvdgan.machine import Machine
from dvdgan.machine.keys import KEYS

# An evaluation's share of the memory that is free on a GPU when it begins; the trainer has the
# rest.
SHARE_OF_FREE = 0.5

ResultT = TypeVar("ResultT")


def device() -> str:
    """The device's name for torch, with fp32 matrix products set to full precision.

    Raises UserError if the requested device does not exist, or where an environment variable of
    another library would change torch's arithmetic.
    """
    refuse_other_arithmetic()
    # NVIDIA's containers set TORCH_ALLOW_TF32_CUBLAS_OVERRIDE; this takes precedence.
    torch.set_float32_matmul_precision("highest")
    gpus = torch.cuda.device_count()
    requested = Machine.load().devices.evaluation
    if requested is None:
        return "cuda" if gpus else "cpu"
    if requested != "cpu" and int(requested.partition(":")[2] or 0) >= gpus:
        raise UserError(
            f"devices.evaluation is {requested}, but this machine has {gpus} GPUs",
            where=KEYS["devices.evaluation"].place,
            todo="set it to cpu or to an existing GPU (cuda:0 is the first)",
        )
    return requested


def device_beside_trainer() -> str:
    """The device for an evaluation during training: the last GPU, unless one is requested.

    Rank r of a host trains on visible GPU r: if any GPU is free, the last one is.
    """
    chosen, gpus = device(), torch.cuda.device_count()
    requested = Machine.load().devices.evaluation
    return f"cuda:{gpus - 1}" if requested is None and gpus else chosen


def beside_trainer(work: Callable[[str], ResultT]) -> ResultT:
    """Run ``work(device)`` in parallel with the trainer, within SHARE_OF_FREE of a GPU's free
    memory.

    If that memory is not enough, ``work`` is run again on the CPU.
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
    # Outside the handler, where the exception no longer references GPU memory.
    print(
        f"evaluate: not enough free memory on {where} ({reason}): measuring on the CPU; set "
        "devices.evaluation (DVDGAN_EVALUATION_DEVICE) to choose another GPU",
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
    """Torch's allocator raises its own type; cuBLAS, cuDNN and the driver only have a message."""
    message = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or (
        "out of memory" in message or "alloc_failed" in message
    )
