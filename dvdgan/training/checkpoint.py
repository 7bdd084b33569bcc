"""Checkpoints: a folder a step, tensors in safetensors, everything else in JSON, and a manifest.

Nothing is ever unpickled. A checkpoint is written aside, fsynced and renamed, so that a folder
with this name is complete; damaged ones are found by the manifest (guard/run_folder.py).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dvdgan.guard.run_folder import write_manifest
from dvdgan.storage.local import atomic_directory, read_json, write_json
from dvdgan.storage.reading import reading
from dvdgan.storage.tensors import load_state, load_tensors, save_tensors
from dvdgan.training.state import TrainState

STATE = "state.json"
AVERAGE = "average.safetensors"

# What Adam keeps of a parameter.
QUANTITIES = ("step", "exp_avg", "exp_avg_sq")

# File name without its ending -> its tensors by name.
Tensors = dict[str, dict[str, Tensor]]


class StagedCheckpoint:
    """A copy of a state in main memory, written to a checkpoint while training continues.

    `stage` reuses its memory, so the copy before must be written by then.
    """

    def __init__(self) -> None:
        self._tensors: Tensors = {}
        self._rest: dict[str, Any] = {}

    def allocate(self, state: TrainState) -> Callable[[], None]:
        """A job that allocates memory for a copy of ``state``, for a background thread: pinning
        6.7 GB for a GPU takes some ten seconds."""
        present = _tensors(state)

        def run() -> None:
            for file, tensors in present.items():
                copies = self._tensors.setdefault(file, {})
                for name, tensor in tensors.items():
                    _room(copies, name, tensor).zero_()  # else the system gives it page by page

        return run

    def stage(self, state: TrainState, **rest: Any) -> None:
        """Copy ``state``; ``rest`` is stored in state.json (plain JSON values)."""
        for file, tensors in _tensors(state).items():
            copies = self._tensors.setdefault(file, {})
            for name, tensor in tensors.items():
                _room(copies, name, tensor).copy_(tensor, non_blocking=True)
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        self._rest = {
            "step": state.step,
            "generator_scaler": state.generator_scaler.state_dict(),
            "discriminator_scaler": state.discriminator_scaler.state_dict(),
            **rest,
        }

    def write(self, folder: Path) -> None:
        """Write to ``folder``: all of it or nothing. Raises OSError if the disk refuses."""
        with atomic_directory(folder) as aside:
            for file, tensors in self._tensors.items():
                save_tensors(tensors, aside / f"{file}.safetensors")
            write_json(aside / STATE, self._rest)
            write_manifest(aside)


def save_checkpoint(state: TrainState, folder: Path, **rest: Any) -> None:
    """Write ``state`` to ``folder`` now."""
    staged = StagedCheckpoint()
    staged.stage(state, **rest)
    staged.write(folder)


def load_checkpoint(state: TrainState, folder: Path) -> dict[str, Any]:
    """Fill ``state``, built from the same params, with the checkpoint in ``folder``.

    Returns what state.json holds. Raises DamagedFileError if a file does not fit ``state``.
    """
    for name, network in _networks(state).items():
        load_state(network, folder / f"{name}.safetensors")
    for name, (optimizer, network) in _optimizers(state).items():
        path = folder / f"{name}.safetensors"
        tensors = load_tensors(path)
        with reading(path, "the state of this optimizer"):
            _fill_optimizer(optimizer, network, tensors)
    rest: dict[str, Any] = read_json(folder / STATE)
    with reading(folder / STATE, "the state of a run"):
        set_numbers(state, rest)
    return rest


def set_numbers(state: TrainState, rest: dict[str, Any]) -> None:
    """Give ``state`` the step and the loss scales that a checkpoint's state.json holds.

    Raises ValueError, KeyError, TypeError or AttributeError where it holds none.
    """
    if type(rest["step"]) is not int or rest["step"] < 0:
        raise ValueError(f"the step is {rest['step']!r}")
    state.step = rest["step"]
    for name in ("generator_scaler", "discriminator_scaler"):
        if rest[name]:
            if not all(isinstance(value, int | float) for value in rest[name].values()):
                raise ValueError(f"{name} is {rest[name]!r}")
            getattr(state, name).load_state_dict(rest[name])


def all_tensors(state: TrainState) -> Iterator[Tensor]:
    """Every tensor a checkpoint holds, in the same order on every process.

    Adam's are created as zeros if it has made no step.
    """
    for optimizer, network in _optimizers(state).values():
        for parameter in network.parameters():
            values = optimizer.state[parameter]
            if not values:
                values["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
                values["exp_avg"] = torch.zeros_like(parameter)
                values["exp_avg_sq"] = torch.zeros_like(parameter)
    for tensors in _tensors(state).values():
        for name in sorted(tensors):  # a loaded optimiser lists its quantities in another order
            yield tensors[name]


def _room(copies: dict[str, Tensor], name: str, tensor: Tensor) -> Tensor:
    if name not in copies:  # Adam has no state before its first step
        copies[name] = torch.empty_like(
            tensor,
            device="cpu",
            memory_format=torch.contiguous_format,
            pin_memory=tensor.is_cuda,
        )
    return copies[name]


def _networks(state: TrainState) -> dict[str, nn.Module]:
    return {
        "generator": state.generator,
        "discriminators": state.discriminators,
        "average": state.average,
    }


def _optimizers(state: TrainState) -> dict[str, tuple[torch.optim.Optimizer, nn.Module]]:
    return {
        "generator_optimizer": (state.generator_optimizer, state.generator),
        "discriminator_optimizer": (state.discriminator_optimizer, state.discriminators),
    }


def _tensors(state: TrainState) -> Tensors:
    """The state's own tensors; Adam's moments and step counts as `<parameter>/<quantity>`."""
    networks = {name: dict(network.state_dict()) for name, network in _networks(state).items()}
    optimizers = {
        file: {
            f"{name}/{quantity}": tensor
            for name, parameter in network.named_parameters()
            for quantity, tensor in optimizer.state[parameter].items()
        }
        for file, (optimizer, network) in _optimizers(state).items()
    }
    return networks | optimizers


def _fill_optimizer(
    optimizer: torch.optim.Optimizer, network: nn.Module, tensors: dict[str, Tensor]
) -> None:
    parameters = dict(network.named_parameters())
    for key, tensor in tensors.items():
        name, _, quantity = key.rpartition("/")
        shape = () if quantity == "step" else parameters[name].shape
        if quantity not in QUANTITIES or tensor.shape != shape:
            raise ValueError(f"{key} of shape {tuple(tensor.shape)}")
        # A fused Adam keeps its step count there, too.
        optimizer.state[parameters[name]][quantity] = tensor.to(parameters[name].device)
