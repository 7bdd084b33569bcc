"""Converts published weights to a feature network's folder, and checks the result."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dvdgan.errors import UserError
from dvdgan.evaluation.networks.c3d import C3D, CROP, FRAMES
from dvdgan.evaluation.networks.catalogue import (
    HUB_EPSILON,
    KINETICS_EPSILON,
    RGB_IMAGENET,
    RGB_SCRATCH_KIN600,
    KnownNetwork,
)
from dvdgan.evaluation.networks.clip_network import ClipNetwork
from dvdgan.evaluation.networks.feature_network import save_feature_network
from dvdgan.evaluation.networks.i3d import I3D
from dvdgan.evaluation.networks.i3d_layouts import HASSONY, PIERGIAJ, TENSORFLOW
from dvdgan.evaluation.networks.tensor_files import (
    check_names,
    file_facts,
    must_exist,
    read_npz,
    read_state_dict,
)
from dvdgan.evaluation.networks.tensorflow_checkpoint import (
    DATA,
    checkpoint_prefix,
    identity,
    read_index,
    read_tensors,
)
from dvdgan.evaluation.networks.torchscript_i3d import TorchScriptI3D
from dvdgan.storage.local import sha256_of_file
from dvdgan.storage.output import output_folder

TENSORFLOW_SCOPE = "RGB/inception_i3d/"
OPTIMISER_SLOT = "/Momentum"
PUBLISHED = {RGB_IMAGENET: "rgb_imagenet", RGB_SCRATCH_KIN600: "rgb_scratch_kin600"}
# The mean clip of UCF-101 and Sports-1M, 171 px wide; TGAN takes its middle 128 columns.
MEAN_SHAPE, MEAN_COLUMNS = (3, FRAMES, 128, 171), slice(21, 149)

# kinetics-i3d, out/imagenet_rgb.txt: the norm of the logits, and the largest, class 227 of 400.
CRICKET_SHAPE = (1, 79, 224, 224, 3)
CRICKET_NORM, CRICKET_TOP, PLAYING_CRICKET = 87.108871, 25.856646, 227
# Squared distance of the logits of a white and a black clip of 15 frames, as FVD ports of the
# TensorFlow Hub weights give it (JunyaoHu's common_metrics_on_video_quality); 131 in TensorFlow.
WHITE_FRAMES, WHITE_TO_BLACK = 15, 133.70


@dataclass(frozen=True)
class Converted:
    """A network with its weights, and their source as config.json holds it."""

    network: ClipNetwork
    source: dict[str, Any]


def convert(
    known: KnownNetwork,
    source: Path,
    folder: Path,
    *,
    mean: Path | None = None,
    labels: Path | None = None,
    check: Path | None = None,
    epsilon: float | None = None,
) -> list[str]:
    """Write the network to ``folder``, for FeatureNetwork.load; returns lines to print.

    ``mean``: C3D's mean2.npz. ``labels``: a file with a class name per line; None: numbers.
    ``check``: kinetics-i3d's CricketShot clip, for which the output of rgb_imagenet is published.
    ``epsilon``: batch norm's, for a PyTorch file that is not in the catalogue.
    Raises UserError, without writing anything, if a tensor or a check fails.
    """
    classes = _class_names(known, labels)
    if known.name == "i3d_torchscript":
        converted = _torchscript(known, source)
    elif known.name == "c3d_ucf101":
        converted = _c3d(known, source, mean)
    else:
        converted = _i3d(known, source, epsilon)
    network = converted.network.eval()
    lines = [f"{key}: {value}" for key, value in converted.source.items()]
    checks = []
    if check is not None:
        if known.name != "i3d_k400":
            raise UserError(
                f"no output of {known.name} for that clip is published", todo="leave out --check"
            )
        checks.append(check_cricket(network, check))
    if known.name == "i3d_torchscript" or converted.source.get("epsilon") == HUB_EPSILON:
        checks.append(check_white_to_black(network))
    with output_folder(folder) as aside:
        save_feature_network(
            aside, known.name, network, classes, source=converted.source, answers=checks
        )
    return lines + (checks or ["no published output of this network is known to check it"])


def check_cricket(network: ClipNetwork, path: Path) -> str:
    """Compare the output for v_CricketShot_g04_c01_rgb.npy with that of rgb_imagenet.

    Returns a line to print. Raises UserError for another file, and for a relative error above 1e-4.
    """
    if not path.is_file():
        raise UserError("the clip to check with is missing", where=str(path))
    clip = np.load(path, allow_pickle=False)
    if clip.shape != CRICKET_SHAPE or abs(clip).max() > 1:
        raise UserError(
            f"the clip to check with has shape {CRICKET_SHAPE} and values in [-1, 1]",
            where=f"{path}: {clip.shape}",
            todo="give v_CricketShot_g04_c01_rgb.npy of kinetics-i3d, in its folder data",
        )
    levels = (torch.from_numpy(clip).float().permute(0, 1, 4, 2, 3) + 1) * 127.5
    with torch.inference_mode():
        logits = network(levels).logits[0]
    norm, top, best = logits.norm().item(), logits.max().item(), int(logits.argmax())
    computed = f"norm of the logits {norm:.6f}, largest {top:.6f} (class {best})"
    known = f"{CRICKET_NORM}, {CRICKET_TOP} (class {PLAYING_CRICKET})"
    right = np.allclose([norm, top], [CRICKET_NORM, CRICKET_TOP], rtol=1e-4, atol=0)
    if not right or best != PLAYING_CRICKET:
        raise _wrong(computed, known)
    return f"CricketShot: {computed}, as published: {known}"


def check_white_to_black(network: ClipNetwork) -> str:
    """Compare the distance of a white and a black clip with that of FVD ports of the Hub weights.

    Returns a line to print. Raises UserError for a relative error above 1%.
    """
    pixels = network.size or 64
    with torch.inference_mode():
        white, black = (
            network(torch.full((1, WHITE_FRAMES, 3, pixels, pixels), level)).logits[0].double()
            for level in (255.0, 0.0)
        )
    squared = (white - black).square().sum().item()
    computed = f"white to black {squared:.2f}"
    if not np.isclose(squared, WHITE_TO_BLACK, rtol=1e-2, atol=0):
        raise _wrong(computed, str(WHITE_TO_BLACK))
    return f"{computed}, as published: {WHITE_TO_BLACK}"


def _i3d(known: KnownNetwork, source: Path, epsilon: float | None) -> Converted:
    if source.suffix in (".pt", ".pth"):
        tensors = read_state_dict(source)
        layout = HASSONY if HASSONY.logits_bias in tensors else PIERGIAJ
        shapes = {name: array.shape for name, array in tensors.items()}
        check_names(shapes, layout.expected(known.classes))
        chosen = _epsilon(known, source) if epsilon is None else epsilon
        facts = file_facts(source)
    else:
        prefix = checkpoint_prefix(source)
        index = read_index(prefix)
        variables = [each for name, each in index.items() if not name.endswith(OPTIMISER_SLOT)]
        layout = TENSORFLOW
        shapes = {each.name.removeprefix(TENSORFLOW_SCOPE): each.shape for each in variables}
        check_names(shapes, layout.expected(known.classes))
        arrays = read_tensors(prefix, variables)
        tensors = {name.removeprefix(TENSORFLOW_SCOPE): array for name, array in arrays.items()}
        chosen = KINETICS_EPSILON if epsilon is None else epsilon
        published = PUBLISHED.get(identity(variables), "not a file that DeepMind published")
        facts = file_facts(Path(f"{prefix}{DATA}")) | {"published": published}
    network = I3D(known.classes)
    network.load_state_dict(layout.folded(tensors, chosen))
    return Converted(network, facts | {"layout": layout.title, "epsilon": chosen})


def _epsilon(known: KnownNetwork, source: Path) -> float:
    for each in known.sources:
        if each.file == source.name:
            return each.epsilon
    raise UserError(
        f"{source.name} is not in the catalogue, so its batch norm's epsilon is not known",
        where=str(source),
        todo=f"give it: --epsilon {KINETICS_EPSILON} for weights of kinetics-i3d, "
        f"--epsilon {HUB_EPSILON} for those of the TensorFlow Hub module",
    )


def _torchscript(known: KnownNetwork, source: Path) -> Converted:
    must_exist(source)
    return Converted(TorchScriptI3D.load(source, known.sources[0].identity), file_facts(source))


def _c3d(known: KnownNetwork, source: Path, mean: Path | None) -> Converted:
    if mean is None:
        raise UserError("C3D needs its mean clip", todo="give its file: --mean mean2.npz")
    tensors = read_npz(source)
    with torch.device("meta"):
        shapes = {
            name: tuple(tensor.shape) for name, tensor in C3D(known.classes).state_dict().items()
        }
    names = {_chainer_name(name): name for name in shapes if name != "mean"}
    check_names(
        {name: array.shape for name, array in tensors.items()},
        {name: (shapes[ours],) for name, ours in names.items()},
    )
    clip = read_npz(mean).get("mean")
    if clip is None or clip.size != np.prod(MEAN_SHAPE):
        raise UserError(
            f"{mean.name} does not hold a mean clip of shape {MEAN_SHAPE}", where=str(mean)
        )
    cropped = clip.reshape(MEAN_SHAPE)[..., MEAN_COLUMNS][..., CROP, CROP]
    state = {ours: torch.from_numpy(tensors[name]) for name, ours in names.items()}
    state["mean"] = torch.from_numpy(np.ascontiguousarray(cropped))
    network = C3D(known.classes)
    network.load_state_dict(state)
    return Converted(network, file_facts(source) | {"mean_sha256": sha256_of_file(mean)})


def _chainer_name(name: str) -> str:
    """convolutions.conv1a.weight -> conv1a/W."""
    *_, layer, leaf = name.split(".")
    return f"{layer}/{'W' if leaf == 'weight' else 'b'}"


def _class_names(known: KnownNetwork, labels: Path | None) -> list[str]:
    if labels is None:
        return [str(number) for number in range(known.classes)]
    must_exist(labels)
    names = labels.read_text(encoding="utf-8").splitlines()
    if len(names) != known.classes:
        raise UserError(
            f"{known.name} has {known.classes} classes, but the file lists {len(names)}",
            where=str(labels),
        )
    return names


def _wrong(computed: str, known: str) -> UserError:
    return UserError(
        "the output of the converted network differs from the published one; nothing was written",
        where=f"{computed}; published: {known}",
        todo="check that the file is the one that `dvdgan convert` lists",
    )
