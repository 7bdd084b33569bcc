"""The sets of clips that a protocol measures: generated clips and controls."""

from dataclasses import dataclass, field, replace

from torch import Tensor

from dvdgan.data.sources.derived_clips import (
    ContinuedClips,
    Readable,
    RepeatedClip,
    TransformedClips,
)
from dvdgan.data.sources.shard_set import EvenClips
from dvdgan.evaluation.controls import freeze_frames, repeat_last_given, shuffle_frames
from dvdgan.evaluation.measurement_settings import DEFAULT_STANDING, NOT_GENERATED, SamplingSettings
from dvdgan.export.generated_clips import GeneratedClips, SampleSpec
from dvdgan.export.sampler import Sampler
from dvdgan.models.latent import Truncation
from dvdgan.protocols import Protocol

GENERATED, GENERATED_FROZEN, REAL_FROZEN = "generated", "generated, frozen", "real clips, frozen"
REAL_TEST = "real test clips"


@dataclass(frozen=True)
class ClipSet:
    """A set of clips to measure."""

    clips: Readable
    sampling: SamplingSettings = NOT_GENERATED
    split: str = "train"
    """Split of the real clips it is compared with."""


@dataclass(frozen=True)
class EvaluationInputs:
    """What the clip sets are made from."""

    sampler: Sampler
    untrained: Sampler
    spec: SampleSpec
    unseen: SampleSpec | None
    """In prediction, the test clips to continue; None without a test split."""
    mean_clip: Tensor
    real: EvenClips | None
    """Real clips, of the test split if it has enough; None if there are too few to measure."""
    truncations: list[float] = field(default_factory=list)
    standing: str | None = None
    """How the standing statistics of ``sampler`` were computed; None: unknown."""


def sets_of(inputs: EvaluationInputs, protocol: Protocol) -> dict[str, ClipSet]:
    """Everything that ``protocol`` measures, by name: generated clips first, then the others."""
    found = {name: generated(inputs, number) for name, number in generated_sets(protocol).items()}
    for level in truncation_levels(inputs, protocol):
        found[truncated_name(level)] = truncated(inputs, level)
    if protocol.distances:
        found |= frozen_sets(inputs) | controls(inputs)
    return found


def generated_sets(protocol: Protocol) -> dict[str, int]:
    """The sets of generated clips of ``protocol``: number by name."""
    return {f"{GENERATED}, set {each + 1}": each for each in range(protocol.sets)}


def truncation_levels(inputs: EvaluationInputs, protocol: Protocol) -> list[float]:
    """Standard deviations of latents at which ``protocol`` measures FID and IS; ascending."""
    return sorted(set(inputs.truncations)) if {"FID", "IS"} <= protocol.layers.keys() else []


def truncated_name(level: float) -> str:
    return f"truncated {level}"


def generated(inputs: EvaluationInputs, number: int = 0) -> ClipSet:
    """Clips of the bundle; ``number`` above 0: another set, with other latents."""
    return _made(inputs.sampler, inputs.spec.another(number), inputs.standing)


def truncated(inputs: EvaluationInputs, level: float) -> ClipSet:
    """The same clips with truncated latents (paper 4.4)."""
    return _made(inputs.sampler, inputs.spec, inputs.standing, Truncation(level))


def frozen_sets(inputs: EvaluationInputs) -> dict[str, ClipSet]:
    """Generated and real clips without motion, to compare frames only."""
    if inputs.real is None:
        return {}
    made = GeneratedClips(inputs.sampler, inputs.spec)
    return {
        GENERATED_FROZEN: ClipSet(_frozen(made), generated(inputs).sampling),
        REAL_FROZEN: ClipSet(_frozen(inputs.real)),
    }


def controls(inputs: EvaluationInputs) -> dict[str, ClipSet]:
    """Controls that give the metrics a scale; docs/stages/evaluate.md explains each."""
    spec, seed = inputs.spec, inputs.spec.seed
    found = {
        "untrained generator": _made(inputs.untrained, spec, DEFAULT_STANDING),
        "mean clip": ClipSet(RepeatedClip(inputs.mean_clip, spec.labels)),
    }
    if inputs.real is not None:
        found["real clips, shuffled"] = ClipSet(
            TransformedClips(
                inputs.real,
                lambda clips, first: shuffle_frames(clips, seed, first),
                f"shuffled {seed}",
            )
        )
    if spec.conditioning is not None:
        given = spec.conditioning.frames
        found["last given frame repeated"] = ClipSet(
            TransformedClips(
                ContinuedClips(spec.conditioning, spec.labels),
                lambda clips, _: repeat_last_given(clips, given),
                f"last given of {given}",
            ),
            spec.sampling,
        )
    if inputs.unseen is not None:
        unseen = _made(inputs.sampler, inputs.unseen, inputs.standing)
        found["generated from test clips"] = replace(unseen, split="test")
    return found


def _made(
    sampler: Sampler, spec: SampleSpec, standing: str | None, truncation: Truncation | None = None
) -> ClipSet:
    level = None if truncation is None else f"{truncation.level:g} {truncation.kind}"
    sampling = replace(spec.sampling, standing=standing, truncation=level)
    return ClipSet(GeneratedClips(sampler, spec, truncation), sampling)


def _frozen(clips: Readable) -> TransformedClips:
    return TransformedClips(clips, lambda batch, _: freeze_frames(batch), "frozen")
