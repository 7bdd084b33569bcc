"""What is compared with what, and whether it can be."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dvdgan.data.sources.clip_source import ClipSource
from dvdgan.data.sources.opening import Reading
from dvdgan.errors import UserError
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.reference import DESCRIPTION_FILE, RealReference
from dvdgan.protocols import MINIMUM_CLIPS, PROTOCOLS, ProtocolName, unfit


@dataclass(frozen=True)
class Asked:
    """What is compared with what, and how."""

    generated: Path
    real: Path
    protocol: ProtocolName
    network: Path
    """Folder of the protocol's network."""
    reading: Reading
    stride: int = 1
    """Of the real clips' frames in their videos."""
    generated_stride: int = 1
    given_frames: int = 0
    """Real frames that each generated clip begins with."""
    max_refused: float = 0.0
    """Share of a folder's videos that may give no clip."""


def network_of(asked: Asked, device: str) -> FeatureNetwork:
    """The protocol's network; UserError for a folder that holds another."""
    protocol = PROTOCOLS[asked.protocol]
    network = FeatureNetwork.load(asked.network, device, protocol.resize)
    if network.name != protocol.network:
        others = [name for name, each in PROTOCOLS.items() if each.network == network.name]
        other = f"; {network.name} measures by --protocol {' or '.join(others)}" if others else ""
        raise UserError(
            f"{asked.protocol} measures by {protocol.network}, not by {network.name}",
            where=str(asked.network),
            todo=f"name a folder of {protocol.network} with --network{other}",
        )
    return network


def saved_statistics(asked: Asked, network: FeatureNetwork) -> tuple[RealReference | None, Reading]:
    """Saved statistics, where the real side is a folder of them, and the reading they ask for."""
    folders = (asked.real, asked.real / asked.protocol)
    folder = next((each for each in folders if (each / DESCRIPTION_FILE).is_file()), None)
    if folder is None:
        return None, asked.reading
    reference = RealReference.load(folder, asked.reading.split)
    taken = reference.description
    mine = (asked.protocol, network.name, network.weights_sha256)
    if mine != (taken.protocol, taken.network, taken.weights_sha256):
        raise UserError(
            f"the statistics are {taken.protocol}'s, of {taken.network}@{taken.weights_sha256[:8]};"
            f" asked for are {mine[0]}'s, of {mine[1]}@{mine[2][:8]}",
            where=str(folder),
            todo="name the protocol and the network that measured them: --protocol, --network",
        )
    if asked.reading.frames not in (None, taken.frames):
        raise UserError(
            f"the statistics are of clips of {taken.frames} frames, not {asked.reading.frames}",
            where=str(folder),
            todo="leave --frames out",
        )
    return reference, replace(asked.reading, frames=taken.frames)


def check(asked: Asked, sources: Mapping[str, ClipSource], saved: RealReference | None) -> None:
    """Raise UserError where the two sides cannot be compared by the protocol."""
    frames, resolution = sources["generated"].shape
    if saved is None:
        real, clips = sources["real"].shape[1], len(sources["real"])
    else:
        real, clips = saved.description.resolution, saved.clips
    if resolution != real:
        raise UserError(
            f"the generated clips are {resolution}x{resolution} pixels, the real ones "
            f"{real}x{real}",
            todo="bring videos to one size with --resolution",
        )
    given = asked.given_frames
    if given >= frames:
        raise UserError(
            f"{given} given frames leave nothing to measure in clips of {frames} frames",
            where=str(asked.generated),
            todo="--given-frames counts the real frames that each generated clip begins with",
        )
    wrong = unfit(asked.protocol, frames, given, len(sources["generated"]))
    if wrong:
        unlike = PROTOCOLS[asked.protocol].conditioning not in (None, given > 0)
        raise UserError(
            "; ".join(wrong),
            where=str(asked.generated),
            todo=f"say with --given-frames how many real frames each clip begins with, now {given}"
            if unlike
            else "",
        )
    check_count(asked.real, clips)


def check_count(real: Path, clips: int) -> None:
    """Raise UserError for fewer real ``clips`` than a covariance takes."""
    if clips < MINIMUM_CLIPS:
        raise UserError(
            f"{clips} real clips are too few to estimate a covariance",
            where=str(real),
            todo=f"use at least {MINIMUM_CLIPS}, better several thousand",
        )
