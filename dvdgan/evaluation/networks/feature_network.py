"""A feature network with its identity: which weights, which classes, how frames reach its size."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from dvdgan.errors import UserError
from dvdgan.evaluation.networks.clip_network import Activations, ClipNetwork
from dvdgan.evaluation.networks.resize import RULES, resize
from dvdgan.evaluation.networks.small_i3d import SmallI3D
from dvdgan.storage.local import atomic_directory, read_json, sha256_of_file, write_json

WEIGHTS_FILE, CONFIG_FILE = "network.safetensors", "config.json"

BUILD: dict[str, Callable[[dict[str, Any]], ClipNetwork]] = {
    "small_i3d": lambda config: SmallI3D(len(config["classes"]), config["width"]),
}


@dataclass(frozen=True)
class FeatureNetwork:
    """A network under its name, with what must be equal for its numbers to compare."""

    name: str
    network: ClipNetwork
    classes: list[str]
    weights_sha256: str
    test_accuracy: float | None
    """Share of test clips it classifies rightly; None where that was not measured."""
    resize: str = "none"
    """The rule, one of networks.resize.RULES, that brings frames to the network's size."""

    def __call__(self, clips: Tensor) -> Activations:
        """Clips (B, T, 3, H, W) uint8 -> pooled (B, features), logits (B, classes), on the CPU.

        Raises ValueError for anything but uint8 RGB clips, UserError for clips with too few frames
        or of a size that the network does not take.
        """
        if clips.dtype != torch.uint8 or clips.ndim != 5 or clips.shape[2] != 3:
            raise ValueError(
                "clips must be uint8 with shape (B, T, 3, H, W), but are "
                f"{clips.dtype} with shape {tuple(clips.shape)}"
            )
        network = self.network
        if clips.shape[1] < network.fewest_frames:
            raise UserError(
                f"{self.name} needs clips of at least {network.fewest_frames} frames; "
                f"these have {clips.shape[1]}"
            )
        with torch.inference_mode():
            levels = clips.to(self._device).float()
            if network.size is not None:
                levels = resize(levels, network.size, self.resize)
                if levels.shape[3:] != (network.size, network.size):
                    height, width = levels.shape[3:]
                    raise UserError(
                        f"{self.name} takes {network.size}x{network.size} px; "
                        f"these clips are {width}x{height}",
                        todo=f"choose a resize rule: {', '.join(sorted(RULES.keys() - {'none'}))}",
                    )
            pooled, logits = network(levels)
        return Activations(pooled.cpu(), logits.cpu())

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    @classmethod
    def load(cls, folder: Path, device: str = "cpu", resize: str = "none") -> Self:
        """Read what save_feature_network wrote; UserError if it is missing or was altered."""
        weights, config_file = folder / WEIGHTS_FILE, folder / CONFIG_FILE
        if not (weights.is_file() and config_file.is_file()):
            raise UserError(
                "there is no feature network", where=str(folder), todo="run `dvdgan features` first"
            )
        config = read_json(config_file)
        if sha256_of_file(weights) != config["sha256"]:
            raise UserError(
                f"{weights} is not the file that {config_file} describes",
                where=f"expected sha256 {config['sha256']}",
                todo="make it again",
            )
        network = BUILD[config["network"]](config)
        network.load_state_dict(load_file(weights))
        return cls(
            name=config["network"],
            network=network.eval().to(device),
            classes=config["classes"],
            weights_sha256=config["sha256"],
            test_accuracy=config["test_accuracy"],
            resize=resize,
        )


def save_feature_network(
    folder: Path,
    name: str,
    network: ClipNetwork,
    classes: list[str],
    test_accuracy: float | None = None,
    **facts: Any,
) -> None:
    """Write network.safetensors and config.json into ``folder``, whole or not at all.

    ``facts`` join config.json: what BUILD needs, and where the weights are from.
    """
    with atomic_directory(folder) as aside:
        save_file(network.state_dict(), aside / WEIGHTS_FILE)
        config = {
            **facts,
            "network": name,
            "classes": classes,
            "sha256": sha256_of_file(aside / WEIGHTS_FILE),
            "test_accuracy": test_accuracy,
        }
        write_json(aside / CONFIG_FILE, config)
