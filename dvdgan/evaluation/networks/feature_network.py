"""Feature networks by name: load, save and apply them to uint8 clips."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from dvdgan.errors import UserError
from dvdgan.evaluation.networks.c3d import C3D
from dvdgan.evaluation.networks.catalogue import CATALOGUE
from dvdgan.evaluation.networks.clip_network import Activations, ClipNetwork
from dvdgan.evaluation.networks.i3d import I3D
from dvdgan.evaluation.networks.resize import RULES, resize
from dvdgan.evaluation.networks.small_i3d import SmallI3D
from dvdgan.evaluation.networks.torchscript_i3d import TorchScriptI3D
from dvdgan.protocols import TRAINED
from dvdgan.storage.local import atomic_directory, read_json, sha256_of_file, write_json
from dvdgan.storage.reading import reading
from dvdgan.storage.tensors import load_state, save_tensors

CONFIG_FILE = "config.json"
WEIGHTS_FILE, TORCHSCRIPT_FILE = "network.safetensors", "network.pt"
TORCHSCRIPT = "i3d_torchscript"
# The most that config.json may ask for, before the weights are read.
MOST_WIDTH, MOST_CLASSES = 512, 100_000

BUILD: dict[str, Callable[[dict[str, Any]], ClipNetwork]] = {
    **dict.fromkeys(TRAINED, lambda config: SmallI3D(len(config["classes"]), config["width"])),
    "i3d_k400": lambda config: I3D(len(config["classes"])),
    "i3d_k600": lambda config: I3D(len(config["classes"])),
    "c3d_ucf101": lambda config: C3D(len(config["classes"])),
}


@dataclass(frozen=True)
class FeatureNetwork:
    """A network with its name, classes, weights' hash and resize rule."""

    name: str
    network: ClipNetwork
    classes: list[str]
    weights_sha256: str
    test_accuracy: float | None
    """Share of test clips it classifies correctly; None if not measured."""
    resize: str = "none"
    """The rule, one of networks.resize.RULES, that resizes frames to the network's size."""

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
        # By default a GPU computes convolutions in TF32, with a mantissa of ten bits.
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with torch.inference_mode(), exact:
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
        """Load a folder written by save_feature_network, such as weights/i3d_k600.

        Raises UserError if it is missing, with what to do, or if the weights were altered.
        """
        config_file = folder / CONFIG_FILE
        if not config_file.is_file():
            raise _missing(folder)
        config = read_json(config_file)
        with reading(config_file, "the config of a feature network"):
            _check_config(config)
        weights = folder / _weights_file(config["network"])
        if not weights.is_file():
            raise _missing(folder)
        if sha256_of_file(weights) != config["sha256"]:
            raise UserError(
                f"{weights} is not the file that {config_file} describes",
                where=f"expected sha256 {config['sha256']}",
                todo="create it again",
            )
        network: ClipNetwork
        if config["network"] == TORCHSCRIPT:
            network = TorchScriptI3D.load(weights, CATALOGUE[TORCHSCRIPT].sources[0].identity)
        else:
            network = BUILD[config["network"]](config)
            load_state(network, weights)
        return cls(
            name=config["network"],
            network=_channels_last(network.eval().to(device)),
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
    """Write the weights and config.json to ``folder``, atomically.

    ``facts`` are added to config.json: the arguments of BUILD, and the weights' source.
    """
    with atomic_directory(folder) as aside:
        weights = aside / _weights_file(name)
        if isinstance(network, TorchScriptI3D):
            shutil.copyfile(network.file, weights)
        else:
            save_tensors(network.state_dict(), weights)
        config = {
            **facts,
            "network": name,
            "classes": classes,
            "sha256": sha256_of_file(weights),
            "test_accuracy": test_accuracy,
        }
        write_json(aside / CONFIG_FILE, config)


def _check_config(config: dict[str, Any]) -> None:
    """Raise KeyError, TypeError or ValueError for a config that names no network of ours."""
    name, classes, accuracy = config["network"], config["classes"], config["test_accuracy"]
    if name != TORCHSCRIPT and name not in BUILD:
        raise ValueError(f"network is {name!r}")
    if not isinstance(classes, list) or not all(isinstance(each, str) for each in classes):
        raise ValueError("classes is no list of names")
    if not isinstance(config["sha256"], str) or not isinstance(accuracy, int | float | None):
        raise ValueError("sha256 or test_accuracy makes no sense")
    width = config["width"] if name in TRAINED else 1
    if type(width) is not int or not 0 < width <= MOST_WIDTH or not 0 < len(classes) < MOST_CLASSES:
        raise ValueError(f"width is {width!r}, for {len(classes)} classes")


def _channels_last(network: ClipNetwork) -> ClipNetwork:
    """``network`` with its convolutions in the memory format that is fastest on a CPU."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return network


def _weights_file(name: str) -> str:
    return TORCHSCRIPT_FILE if name == TORCHSCRIPT else WEIGHTS_FILE


def _missing(folder: Path) -> UserError:
    if folder.name in CATALOGUE:
        return CATALOGUE[folder.name].missing(folder)
    return UserError(
        "there is no feature network", where=str(folder), todo="run `dvdgan features` first"
    )
