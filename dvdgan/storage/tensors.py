"""Tensors in a safetensors file, with the operating system's errors as OSError."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


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
