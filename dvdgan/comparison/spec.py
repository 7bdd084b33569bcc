"""What is compared with what, and whether it can be."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from dvdgan.data.sources.clip_source import ClipSource
from dvdgan.data.sources.opening import Place, ReadOptions
from dvdgan.errors import UserError
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.reference import DESCRIPTION_FILE, RealReference
from dvdgan.protocols import MINIMUM_CLIPS, PROTOCOLS, ProtocolName, unmet_requirements
from dvdgan.video.preprocessing import Preprocessing


@dataclass(frozen=True)
class ComparisonSpec:
    """What is compared with what, and how."""

    generated: Place
    real: Place
    protocol: ProtocolName
    network: Path
    """Folder of the protocol's network."""
    reading: ReadOptions
    given_frames: int = 0
    """Real frames that each generated clip begins with."""
    max_refused: float = 0.0
    """Share of a folder's videos that may give no clip."""


def network_of(spec: ComparisonSpec, device: str) -> FeatureNetwork:
    """The protocol's network; UserError for a folder that holds another."""
    protocol = PROTOCOLS[spec.protocol]
    network = FeatureNetwork.load(spec.network, device, protocol.resize)
    if network.name != protocol.network:
        others = [name for name, each in PROTOCOLS.items() if each.network == network.name]
        other = f"; {network.name} measures by --protocol {' or '.join(others)}" if others else ""
        raise UserError(
            f"{spec.protocol} measures by {protocol.network}, not by {network.name}",
            where=str(spec.network),
            todo=f"name a folder of {protocol.network} with --network{other}",
        )
    return network


def saved_statistics(spec: ComparisonSpec) -> tuple[RealReference | None, ReadOptions]:
    """Saved statistics, where the real side is a folder of them, and the reading they ask for."""
    folders = (spec.real.path, spec.real.path / spec.protocol)
    folder = next((each for each in folders if (each / DESCRIPTION_FILE).is_file()), None)
    if folder is None:
        others = sorted(path.parent.name for path in spec.real.path.glob(f"*/{DESCRIPTION_FILE}"))
        if others:
            raise UserError(
                f"there are statistics of {', '.join(others)} and none of {spec.protocol}",
                where=str(spec.real.path),
                todo="choose one of these with --protocol, or add it to features.protocols and run "
                "`dvc repro reference`",
            )
        return None, spec.reading
    reference = RealReference.load(folder, spec.reading.split)
    taken = reference.description
    if spec.protocol != taken.protocol:
        raise UserError(
            f"the statistics are {taken.protocol}'s, asked for are {spec.protocol}'s",
            where=str(folder),
            todo=f"choose --protocol {taken.protocol}, or other statistics",
        )
    if spec.reading.frames not in (None, taken.frames):
        raise UserError(
            f"the statistics are of clips of {taken.frames} frames, not {spec.reading.frames}",
            where=str(folder),
            todo="leave --frames out",
        )
    if spec.real.stride not in (None, taken.stride):
        raise UserError(
            f"the statistics are of clips of stride {taken.stride}, not {spec.real.stride}",
            where=str(folder),
            todo="leave --stride out",
        )
    if spec.real.layout or spec.real.value_range:
        raise UserError(
            "saved statistics have no axes and no levels",
            where=str(folder),
            todo="leave --real-layout and --real-range out",
        )
    return reference, replace(spec.reading, frames=taken.frames)


def places(spec: ComparisonSpec, saved: RealReference | None) -> list[Place]:
    """What is to be opened, the generated clips first.

    Shards hold videos as they were recorded: generated ones in shards are taken at the stride of
    the real ones. In a folder each video shows what a model made: stride 1.
    """
    stride = (spec.real.stride or 1) if saved is None else saved.description.stride
    generated = spec.generated
    if generated.is_shard_set:
        if generated.stride not in (None, stride):
            raise UserError(
                f"frames of the generated shard set would be taken {generated.stride} apart, those "
                f"of the real clips {stride} apart",
                where=str(generated.path),
                todo="shards hold videos as they were recorded: leave --generated-stride out, or "
                "choose the stride of both with --stride",
            )
        generated = replace(generated, stride=stride)
    return [generated] if saved is not None else [generated, spec.real]


def unlike(generated: Preprocessing, real: Preprocessing | None) -> list[str]:
    """Cautions where clips of the two sides were taken in ways that alone move a distance.

    Nothing is said where one side was taken as it is: how its maker took it is not known.
    """
    if real is None:
        return []
    found = []
    if generated.stride not in (1, real.stride):
        found.append(
            f"generated frames are {generated.stride} apart in their videos, real ones "
            f"{real.stride}: motion differs in speed"
        )
    if {generated.framing, real.framing} == {"resized", "cropped"}:
        found.append(
            f"generated frames are {generated.framing}, real ones {real.framing}: one side shows "
            "more of a scene"
        )
    if generated.split is not None and generated.window != real.window:
        found.append(
            f"generated clips are the {generated.window} window of recorded videos, real ones "
            f"{real.window}: they show other parts"
        )
    return found


def check_network(
    spec: ComparisonSpec, network: FeatureNetwork, saved: RealReference | None
) -> None:
    """Raise UserError where another network has measured the ``saved`` statistics."""
    if saved is None:
        return
    taken = saved.description
    if (network.name, network.weights_sha256) != (taken.network, taken.weights_sha256):
        raise UserError(
            f"the statistics are {taken.protocol}'s, of {taken.network}@{taken.weights_sha256[:8]};"
            f" asked for are those of {network.name}@{network.weights_sha256[:8]}",
            where=str(spec.real.path),
            todo="name the network that measured them: --network",
        )


def check_labels(path: Path, source: ClipSource, network: FeatureNetwork) -> None:
    """Raise UserError where labels of a file are none of the network's classes."""
    if source.numbers is None:
        return
    classes = len(network.classes)
    wrong = source.numbers[(source.numbers < 0) | (source.numbers >= classes)]
    if len(wrong):
        raise UserError(
            f"label {int(wrong[0])} is none of the network's {classes} classes",
            where=str(path),
            todo="save labels 0..classes - 1, or no labels",
        )


def check(
    spec: ComparisonSpec, sources: Mapping[str, ClipSource], saved: RealReference | None
) -> None:
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
    given = spec.given_frames
    if given >= frames:
        raise UserError(
            f"{given} given frames leave nothing to measure in clips of {frames} frames",
            where=str(spec.generated.path),
            todo="--given-frames counts the real frames that each generated clip begins with",
        )
    wrong = unmet_requirements(spec.protocol, frames, given, len(sources["generated"]))
    if wrong:
        unlike = PROTOCOLS[spec.protocol].conditioning not in (None, given > 0)
        raise UserError(
            "; ".join(wrong),
            where=str(spec.generated.path),
            todo=f"say with --given-frames how many real frames each clip begins with, now {given}"
            if unlike
            else "",
        )
    check_count(spec.real.path, clips)


def check_count(real: Path, clips: int) -> None:
    """Raise UserError for fewer real ``clips`` than a covariance takes."""
    if clips < MINIMUM_CLIPS:
        raise UserError(
            f"{clips} real clips are too few to estimate a covariance",
            where=str(real),
            todo=f"use at least {MINIMUM_CLIPS}, better several thousand",
        )
