"""Tensors in a safetensors file: written and read with errors that say what is wrong."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dvdgan.storage.reading import reading


def save_tensors(
    tensors: Mapping[str, Tensor], path: Path, header: dict[str, str] | None = None
) -> None:
    """Write ``tensors`` and the texts of ``header`` to ``path``. Raises OSError if it cannot."""
    try:
        save_file(dict(tensors), path, header)
    except SafetensorError as error:
        # It gives the operating system's error in words alone.
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        code = int(number[1])
        raise OSError(code, os.strerror(code), str(path)) from error


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name. Raises DamagedFileError if it is not one."""
    with reading(path, "a whole safetensors file"):
        try:
            return load_file(path)
        except SafetensorError as error:
            raise ValueError(error) from error


def load_state(network: nn.Module, path: Path) -> None:
    """Fill ``network`` with the tensors of ``path``. Raises DamagedFileError unless they fit."""
    tensors = load_tensors(path)
    with reading(path, "the state of this network"):
        network.load_state_dict(tensors)
