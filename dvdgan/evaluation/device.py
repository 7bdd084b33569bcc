"""Where clips are sampled and measured: on a GPU where there is one."""

import torch


def device() -> str:
    """The device's name for torch."""
    return "cuda" if torch.cuda.is_available() else "cpu"
