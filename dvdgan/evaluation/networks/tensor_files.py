"""Reads files of named tensors as data only, without unpickling arbitrary objects."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.storage.archives import refuse_bomb
from dvdgan.storage.local import sha256_of_file
from dvdgan.storage.reading import reading

Float32Array = NDArray[np.float32]
# Accepted shapes of a tensor, the usual one first.
Shapes = tuple[tuple[int, ...], ...]
MOST_SHOWN = 20


def check_names(found: Mapping[str, tuple[int, ...]], expected: Mapping[str, Shapes]) -> None:
    """Raise a UserError that lists every missing, unexpected and mis-shaped tensor."""
    problems = [f"missing: {name}" for name in sorted(expected.keys() - found.keys())]
    problems += [f"unexpected: {name}" for name in sorted(found.keys() - expected.keys())]
    problems += [
        f"{name}: shape {found[name]} instead of {expected[name][0]}"
        for name in sorted(found.keys() & expected.keys())
        if found[name] not in expected[name]
    ]
    if problems:
        more = len(problems) - MOST_SHOWN
        shown = problems[:MOST_SHOWN] + ([f"... and {more} more"] if more > 0 else [])
        raise UserError(
            f"these are not the expected weights: {len(problems)} tensors differ",
            where="\n         ".join(shown),
            todo="compare with the list of `dvdgan convert`",
        )


def read_state_dict(path: Path) -> dict[str, Float32Array]:
    """A PyTorch file's tensors as float32 arrays by name, without num_batches_tracked."""
    must_exist(path)
    refuse_bomb(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many types for a file that is not a state dict
        raise UserError(
            f"{path.name} is not a plain file of tensors ({type(error).__name__})", where=str(path)
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(x, Tensor) for x in state.values()):
        raise UserError(f"{path.name} is not a state dict: tensors by name", where=str(path))
    with reading(path, "a state dict of plain tensors"):
        for name, tensor in state.items():
            if tensor.numel() * tensor.itemsize > tensor.untyped_storage().nbytes():
                raise ValueError(f"{name} repeats its values: shape {tuple(tensor.shape)}")
        return {
            str(name): tensor.float().numpy()
            for name, tensor in state.items()
            if not str(name).endswith("num_batches_tracked")
        }


def read_npz(path: Path) -> dict[str, Float32Array]:
    """The arrays of a .npz as float32, by name."""
    must_exist(path)
    refuse_bomb(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: np.asarray(file[name], np.float32) for name in file.files}
    except (
        Exception
    ) as error:  # numpy raises many types for a file that is not an archive of arrays
        raise UserError(
            f"{path.name} is not a complete .npz file of arrays: {error}", where=str(path)
        ) from error


def must_exist(path: Path) -> None:
    """Raise UserError if there is no such file."""
    if not path.is_file():
        raise UserError("the file does not exist", where=str(path))


def file_facts(path: Path) -> dict[str, Any]:
    """Name, size and sha256 of a file, for config.json."""
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": sha256_of_file(path)}
