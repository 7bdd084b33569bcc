"""Evaluation protocols: each name determines the network, layers, resize rule and counts.

Public FVD scripts differ in network, resize, frames, split and number of clips, and so do their
values. Two values compare only under one protocol.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

# A covariance needs at least this number of clips.
MINIMUM_CLIPS = 32

POOLED, LOGITS = "pooled", "logits"

# The networks that are trained here, on the classes of the data or without any; the others come as
# weights.
SMALL_I3D, SELF_SUPERVISED_I3D = "small_i3d", "small_i3d_self_supervised"
TRAINED = (SMALL_I3D, SELF_SUPERVISED_I3D)


@dataclass(frozen=True)
class Protocol:
    """The settings that every measurement under one name shares; see docs/stages/evaluate.md."""

    network: str
    """The feature network, one of evaluation.networks."""
    resize: str
    """Rule that brings frames to the network's size, one of networks.resize."""
    layers: dict[str, str]
    """Metric -> the layer it is taken of: pooled (I3D's average pool) or logits."""
    source: str
    """The publication that measures in this way."""
    frames: int | None = None
    """Length of a clip, given frames included; None: any, but numbers compare at one length only.
    """
    fewest_frames: int = 2
    """The network takes no shorter clips."""
    fewest_clips: int = MINIMUM_CLIPS
    """Generated clips; a smaller sample is refused."""
    sets: int = 1
    """Sets of generated clips, each of another seed; the value is their mean."""
    conditioning: bool | None = None
    """Whether clips begin with given frames: they must (True), must not (False), may (None)."""

    @property
    def distances(self) -> list[str]:
        """Its Frechet distances, the most important one first: FVD, FID."""
        return [name for name in ("FVD", "FID") if name in self.layers]

    @property
    def best_layer(self) -> str:
        """The layer for distances other than the protocol's own metrics (KVD, precision ...)."""
        return self.layers[self.distances[0]] if self.distances else LOGITS


ProtocolName = Literal[
    "self_trained",
    "self_supervised",
    "dvdgan_fid_is",
    "unterthiner_fvd",
    "stylegan_v_fvd",
    "prediction_fvd",
    "tgan_is",
]

PROTOCOLS: dict[str, Protocol] = {
    "self_trained": Protocol(
        network=SMALL_I3D,
        resize="none",
        layers={"FVD": LOGITS, "FID": POOLED, "IS": LOGITS, "accuracy": LOGITS},
        source="a small network trained on the data set's own classes: needs no download, and its "
        "numbers compare within one data set",
    ),
    "self_supervised": Protocol(
        network=SELF_SUPERVISED_I3D,
        resize="none",
        layers={"FVD": LOGITS, "FID": POOLED},
        source="the same network, trained to recognise the order of the frames and their turn: for "
        "data of one class; numbers compare within one data set",
        fewest_frames=3,
    ),
    "dvdgan_fid_is": Protocol(
        network="i3d_k600",
        fewest_frames=9,
        resize="bilinear",
        layers={"FID": POOLED, "IS": LOGITS},
        source="DVD-GAN 4.1: I3D of Kinetics-600, statistics of the whole training split",
        fewest_clips=2048,
        conditioning=False,
    ),
    "unterthiner_fvd": Protocol(
        network="i3d_k400",
        fewest_frames=9,
        resize="bilinear_legacy",
        layers={"FVD": LOGITS},
        source="Unterthiner et al. 2018: logits of I3D of Kinetics-400",
        fewest_clips=256,
        conditioning=False,
    ),
    "stylegan_v_fvd": Protocol(
        network="i3d_torchscript",
        fewest_frames=9,
        resize="none",
        layers={"FVD": LOGITS},
        source="StyleGAN-V (Skorokhodov et al. 2022): the TorchScript I3D, which resizes by itself",
        fewest_clips=2048,
        conditioning=False,
    ),
    "prediction_fvd": Protocol(
        network="i3d_k400",
        resize="bilinear_legacy",
        layers={"FVD": LOGITS},
        source="DVD-GAN Table 3: FVD over 16 frames, the given ones included, of both splits",
        frames=16,
        fewest_clips=256,
        conditioning=True,
    ),
    "tgan_is": Protocol(
        network="c3d_ucf101",
        resize="bicubic",
        layers={"IS": LOGITS},
        source="TGAN (Saito et al. 2017): C3D tuned on UCF-101, four sets of 9,984 clips",
        frames=16,
        fewest_clips=9984,
        sets=4,
        conditioning=False,
    ),
}


def short_name(protocol: str, clips: int, *full_names: str) -> str:
    """protocol,clips,hash: equal only for equal ``full_names``; no dot, at which DVC splits."""
    return f"{protocol},{clips},{_digest(full_names)[:8]}"


def readable_name(protocol: str, clips: int, *full_names: str) -> str:
    """The same for people, "self_trained N=256 c0ff": for DVC's tables, whose columns are short."""
    return f"{protocol} N={clips} {_digest(full_names)[:4]}"


def _digest(full_names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(full_names).encode()).hexdigest()


def incompatibilities(
    names: Sequence[str], frames: int, conditioning_frames: int, samples: int
) -> list[str]:
    """Why the protocols ``names`` together cannot measure a run, in sentences; empty: they can."""
    counts = Counter(metric for name in names for metric in PROTOCOLS[name].layers)
    found = [f"{metric} is measured by two of them" for metric, n in counts.items() if n > 1]
    if "FVD" not in PROTOCOLS[names[0]].layers:
        found.append(f"the first one judges checkpoints by FVD, which {names[0]} does not measure")
    for name in names:
        found += unmet_requirements(name, frames, conditioning_frames, samples)
    return found


def unmet_requirements(name: str, frames: int, conditioning_frames: int, samples: int) -> list[str]:
    """Why the protocol ``name`` cannot measure such clips, in sentences; empty when it can.

    Clips have so many ``frames``, ``conditioning_frames`` of them given; ``samples`` are measured.
    """
    protocol, found = PROTOCOLS[name], []
    if protocol.frames not in (None, frames):
        found.append(f"{name} measures clips of {protocol.frames} frames, not {frames}")
    if frames < protocol.fewest_frames:
        found.append(f"{name} measures clips of {protocol.fewest_frames} frames or more")
    if protocol.conditioning is not None and protocol.conditioning != bool(conditioning_frames):
        kind = "continue given frames" if protocol.conditioning else "continue no given frames"
        found.append(f"{name} measures models that {kind}")
    if samples < protocol.fewest_clips:
        found.append(
            f"{name} needs at least {protocol.fewest_clips:,} generated clips, not {samples:,}"
        )
    return found
