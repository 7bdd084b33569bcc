"""Checkpoints: a folder a step, tensors in safetensors, everything else in JSON, sealed by sha256.

Nothing is ever unpickled. A checkpoint is written aside, fsynced and renamed, so that a folder
with this name is whole; damaged ones are found by hash (guard/run_folder.py).
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dvdgan.guard.run_folder import seal
from dvdgan.storage.local import atomic_directory, read_json, write_json
from dvdgan.training.state import TrainState

STATE = "state.json"
AVERAGE = "average.safetensors"


def save_checkpoint(state: TrainState, folder: Path, fingerprint: str) -> None:
    """Write ``state`` to ``folder``: all of it or nothing."""
    with atomic_directory(folder) as aside:
        for name, network in _networks(state).items():
            save_file(_contiguous(network.state_dict()), aside / f"{name}.safetensors")
        for name, (optimizer, network) in _optimizers(state).items():
            save_file(_optimizer_tensors(optimizer, network), aside / f"{name}.safetensors")
        write_json(aside / STATE, {"step": state.step, "fingerprint": fingerprint})
        seal(aside)


def load_checkpoint(state: TrainState, folder: Path) -> None:
    """Fill ``state``, built from the same params, with the checkpoint in ``folder``."""
    for name, network in _networks(state).items():
        network.load_state_dict(load_file(folder / f"{name}.safetensors"))
    for name, (optimizer, network) in _optimizers(state).items():
        _fill_optimizer(optimizer, network, load_file(folder / f"{name}.safetensors"))
    state.step = read_json(folder / STATE)["step"]


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


def _contiguous(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in tensors.items()}


def _optimizer_tensors(optimizer: torch.optim.Optimizer, network: nn.Module) -> dict[str, Tensor]:
    """Adam's moments and step counts as `<parameter>/<quantity>`."""
    return {
        f"{name}/{quantity}": tensor.contiguous()
        for name, parameter in network.named_parameters()
        for quantity, tensor in optimizer.state[parameter].items()
    }


def _fill_optimizer(
    optimizer: torch.optim.Optimizer, network: nn.Module, tensors: dict[str, Tensor]
) -> None:
    parameters = dict(network.named_parameters())
    for key, tensor in tensors.items():
        name, _, quantity = key.rpartition("/")
        # Adam keeps its step count on the CPU and its moments beside the parameter.
        device = "cpu" if quantity == "step" else parameters[name].device
        optimizer.state[parameters[name]][quantity] = tensor.to(device)
