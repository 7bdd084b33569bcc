"""The two sides of a comparison, and checks that they can be compared."""

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
    """The two sides of a comparison, and how to measure them."""

    generated: Place
    real: Place
    protocol: ProtocolName
    network: Path
    """Folder of the protocol's network."""
    read_options: ReadOptions
    given_frames: int = 0
    """Real frames that each generated clip begins with."""
    max_refused: float = 0.0
    """Share of a folder's videos that may give no clip, 0..1."""


def load_network(spec: ComparisonSpec, device: str) -> FeatureNetwork:
    """The protocol's network; UserError for a folder with another network."""
    protocol = PROTOCOLS[spec.protocol]
    network = FeatureNetwork.load(spec.network, device, protocol.resize)
    if network.name != protocol.network:
        others = [name for name, each in PROTOCOLS.items() if each.network == network.name]
        other = f"; for {network.name}, use --protocol {' or '.join(others)}" if others else ""
        raise UserError(
            f"{spec.protocol} measures by {protocol.network}, not by {network.name}",
            where=str(spec.network),
            todo=f"give a folder of {protocol.network} with --network{other}",
        )
    return network


def load_saved_statistics(spec: ComparisonSpec) -> tuple[RealReference | None, ReadOptions]:
    """Statistics if the real side is a folder of them, and the read options they require."""
    folders = (spec.real.path, spec.real.path / spec.protocol)
    folder = next((each for each in folders if (each / DESCRIPTION_FILE).is_file()), None)
    if folder is None:
        others = sorted(path.parent.name for path in spec.real.path.glob(f"*/{DESCRIPTION_FILE}"))
        if others:
            raise UserError(
                f"there are statistics of {', '.join(others)}, but none of {spec.protocol}",
                where=str(spec.real.path),
                todo="choose one of these with --protocol, or add it to features.protocols and run "
                "`dvc repro reference`",
            )
        return None, spec.read_options
    reference = RealReference.load(folder, spec.read_options.split)
    description = reference.description
    if spec.protocol != description.protocol:
        raise UserError(
            f"the statistics are of {description.protocol}, and --protocol is {spec.protocol}",
            where=str(folder),
            todo=f"choose --protocol {description.protocol}, or other statistics",
        )
    if spec.read_options.frames not in (None, description.frames):
        raise UserError(
            f"the statistics are of clips of {description.frames} frames, not "
            f"{spec.read_options.frames}",
            where=str(folder),
            todo="leave --frames out",
        )
    if spec.real.stride not in (None, description.stride):
        raise UserError(
            f"the statistics are of clips of stride {description.stride}, not {spec.real.stride}",
            where=str(folder),
            todo="leave --stride out",
        )
    if spec.real.layout or spec.real.value_range:
        raise UserError(
            "saved statistics have no array layout and no value range",
            where=str(folder),
            todo="leave --real-layout and --real-range out",
        )
    return reference, replace(spec.read_options, frames=description.frames)


def places_to_open(spec: ComparisonSpec, saved: RealReference | None) -> list[Place]:
    """The places to open, the generated clips first.

    Shards hold recorded videos: generated clips in shards are read with the stride of the real
    clips. Videos in a folder are read with stride 1, as the model generated them.
    """
    stride = (spec.real.stride or 1) if saved is None else saved.description.stride
    generated = spec.generated
    if generated.is_shard_set:
        if generated.stride not in (None, stride):
            raise UserError(
                f"the generated shard set would be read with stride {generated.stride}, the real "
                f"clips with stride {stride}",
                where=str(generated.path),
                todo="shards hold recorded videos: leave out --generated-stride, or set the "
                "stride of both sides with --stride",
            )
        generated = replace(generated, stride=stride)
    return [generated] if saved is not None else [generated, spec.real]


def preprocessing_warnings(generated: Preprocessing, real: Preprocessing | None) -> list[str]:
    """Warnings for preprocessing that differs between the sides and by itself changes a distance.

    There is no warning for a side that is read without preprocessing, because its earlier
    preprocessing is unknown.
    """
    if real is None:
        return []
    warnings = []
    if generated.stride not in (1, real.stride):
        warnings.append(
            f"generated frames are {generated.stride} apart in their videos, real ones "
            f"{real.stride}: motion differs in speed"
        )
    if {generated.framing, real.framing} == {"resized", "cropped"}:
        warnings.append(
            f"generated frames are {generated.framing}, real ones {real.framing}: one side shows "
            "more of a scene"
        )
    if generated.split is not None and generated.window != real.window:
        warnings.append(
            f"generated clips are the {generated.window} window of recorded videos, real ones "
            f"{real.window}: they show other parts"
        )
    return warnings


def check_network(
    spec: ComparisonSpec, network: FeatureNetwork, saved: RealReference | None
) -> None:
    """Raise UserError if the ``saved`` statistics were measured by another network."""
    if saved is None:
        return
    description = saved.description
    if (network.name, network.weights_sha256) != (description.network, description.weights_sha256):
        raise UserError(
            f"the statistics are of {description.protocol} by "
            f"{description.network}@{description.weights_sha256[:8]}, and the network is "
            f"{network.name}@{network.weights_sha256[:8]}",
            where=str(spec.real.path),
            todo="give the network of the statistics with --network",
        )


def check_labels(path: Path, source: ClipSource, network: FeatureNetwork) -> None:
    """Raise UserError if a file has labels beyond the network's classes."""
    if source.numbers is None:
        return
    classes = len(network.classes)
    wrong = source.numbers[(source.numbers < 0) | (source.numbers >= classes)]
    if len(wrong):
        raise UserError(
            f"label {int(wrong[0])} is not one of the network's {classes} classes",
            where=str(path),
            todo="save labels 0..classes - 1, or no labels",
        )


def check_compatible(
    spec: ComparisonSpec, sources: Mapping[str, ClipSource], saved: RealReference | None
) -> None:
    """Raise UserError if the two sides cannot be compared by the protocol."""
    frames, resolution = sources["generated"].shape
    if saved is None:
        real_resolution, clips = sources["real"].shape[1], len(sources["real"])
    else:
        real_resolution, clips = saved.description.resolution, saved.clips
    if resolution != real_resolution:
        raise UserError(
            f"the generated clips are {resolution}x{resolution} pixels, the real ones "
            f"{real_resolution}x{real_resolution}",
            todo="set one size for videos with --resolution",
        )
    given = spec.given_frames
    if given >= frames:
        raise UserError(
            f"{given} given frames leave no frame to measure in clips of {frames} frames",
            where=str(spec.generated.path),
            todo="--given-frames counts the real frames that each generated clip begins with",
        )
    wrong = unmet_requirements(spec.protocol, frames, given, len(sources["generated"]))
    if wrong:
        other_conditioning = PROTOCOLS[spec.protocol].conditioning not in (None, given > 0)
        raise UserError(
            "; ".join(wrong),
            where=str(spec.generated.path),
            todo=(
                f"set --given-frames, now {given}, to the number of real frames at the start of "
                "each clip"
            )
            if other_conditioning
            else "",
        )
    check_count(spec.real.path, clips)


def check_count(real: Path, clips: int) -> None:
    """Raise UserError for fewer real ``clips`` than a covariance needs."""
    if clips < MINIMUM_CLIPS:
        raise UserError(
            f"{clips} real clips are too few to estimate a covariance",
            where=str(real),
            todo=f"use at least {MINIMUM_CLIPS}, preferably several thousand",
        )
