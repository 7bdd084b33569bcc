"""Answers that are known from elsewhere: what a rightly converted network must say."""

from pathlib import Path

import numpy as np
import torch

from dvdgan.errors import UserError
from dvdgan.evaluation.networks.clip_network import ClipNetwork

# kinetics-i3d, out/imagenet_rgb.txt: the norm of the logits, and the largest, class 227 of 400.
CRICKET_SHAPE = (1, 79, 224, 224, 3)
CRICKET_NORM, CRICKET_TOP, PLAYING_CRICKET = 87.108871, 25.856646, 227
# Squared distance of the logits of a white and a black clip of 15 frames, as FVD ports of the
# TensorFlow Hub weights give it (JunyaoHu's common_metrics_on_video_quality); 131 in TensorFlow.
WHITE_FRAMES, WHITE_TO_BLACK = 15, 133.70


def check_cricket(network: ClipNetwork, path: Path) -> str:
    """Compare with what rgb_imagenet says of v_CricketShot_g04_c01_rgb.npy; a line to show.

    Raises UserError for another file, and when an answer is off by more than 1e-4 of itself.
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
    told = f"norm of the logits {norm:.6f}, largest {top:.6f} (class {best})"
    known = f"{CRICKET_NORM}, {CRICKET_TOP} (class {PLAYING_CRICKET})"
    right = np.allclose([norm, top], [CRICKET_NORM, CRICKET_TOP], rtol=1e-4, atol=0)
    if not right or best != PLAYING_CRICKET:
        raise _wrong(told, known)
    return f"CricketShot: {told}, as published: {known}"


def check_white_to_black(network: ClipNetwork) -> str:
    """Compare with what FVD ports of the Hub weights say of constant clips; a line to show.

    Raises UserError when it is off by more than 1%.
    """
    pixels = network.size or 64
    with torch.inference_mode():
        white, black = (
            network(torch.full((1, WHITE_FRAMES, 3, pixels, pixels), level)).logits[0].double()
            for level in (255.0, 0.0)
        )
    squared = (white - black).square().sum().item()
    told = f"white to black {squared:.2f}"
    if not np.isclose(squared, WHITE_TO_BLACK, rtol=1e-2, atol=0):
        raise _wrong(told, str(WHITE_TO_BLACK))
    return f"{told}, as published: {WHITE_TO_BLACK}"


def _wrong(told: str, known: str) -> UserError:
    return UserError(
        "the converted network does not give the known answer; nothing was written",
        where=f"{told}; known: {known}",
        todo="check that the file is the one that `dvdgan convert` lists",
    )
