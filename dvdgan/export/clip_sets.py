"""The sets of clips that a protocol measures: generated ones, and controls that give a scale."""

from dataclasses import dataclass, field, replace

from torch import Tensor

from dvdgan.data.sources.derived_clips import (
    ContinuedClips,
    Readable,
    RepeatedClip,
    TransformedClips,
)
from dvdgan.data.sources.shard_set import EvenClips
from dvdgan.evaluation.conditions import NOT_DRAWN, USUAL_STANDING, Drawn
from dvdgan.evaluation.controls import frozen, held, shuffled
from dvdgan.export.generated_clips import GeneratedClips, SampleSpec
from dvdgan.export.sampler import Sampler
from dvdgan.models.latent import Truncation

GENERATED, GENERATED_FROZEN, REAL_FROZEN = "generated", "generated, frozen", "real clips, frozen"


@dataclass(frozen=True)
class ClipSet:
    """A set of clips to be measured."""

    clips: Readable
    drawn: Drawn = NOT_DRAWN
    split: str = "train"
    """Split whose statistics it is compared with."""


@dataclass(frozen=True)
class EvaluationInputs:
    """What the sets are made from."""

    sampler: Sampler
    untrained: Sampler
    spec: SampleSpec
    unseen: SampleSpec | None
    """In prediction, test clips to continue; None without a test split."""
    mean_clip: Tensor
    real: EvenClips | None
    """Real clips, of the test split where it has enough; None for too few to be measured."""
    truncations: list[float] = field(default_factory=list)
    standing: str | None = None
    """What the standing statistics of ``sampler`` were made of; None: unknown."""


def generated(inputs: EvaluationInputs, number: int = 0) -> ClipSet:
    """The clips of the bundle; ``number`` above 0: another set, of other latents."""
    return _made(inputs.sampler, inputs.spec.another(number), inputs.standing)


def truncated(inputs: EvaluationInputs, level: float) -> ClipSet:
    """The same clips from latents nearer to their mean (paper 4.4)."""
    return _made(inputs.sampler, inputs.spec, inputs.standing, Truncation(level))


def frozen_sets(inputs: EvaluationInputs) -> dict[str, ClipSet]:
    """Clips whose motion is gone, generated and real: to compare frames alone."""
    if inputs.real is None:
        return {}
    made = GeneratedClips(inputs.sampler, inputs.spec)
    return {
        GENERATED_FROZEN: ClipSet(_frozen(made), generated(inputs).drawn),
        REAL_FROZEN: ClipSet(_frozen(inputs.real)),
    }


def controls(inputs: EvaluationInputs) -> dict[str, ClipSet]:
    """What the numbers are to be read against; docs/stages/evaluate.md tells what each shows."""
    spec, seed = inputs.spec, inputs.spec.seed
    found = {
        "untrained generator": _made(inputs.untrained, spec, USUAL_STANDING),
        "mean clip": ClipSet(RepeatedClip(inputs.mean_clip, spec.labels)),
    }
    if inputs.real is not None:
        found["real clips, shuffled"] = ClipSet(
            TransformedClips(
                inputs.real, lambda clips, first: shuffled(clips, seed, first), f"shuffled {seed}"
            )
        )
    if spec.conditioning is not None:
        given = spec.conditioning.frames
        found["last given frame repeated"] = ClipSet(
            TransformedClips(
                ContinuedClips(spec.conditioning, spec.labels),
                lambda clips, _: held(clips, given),
                f"held after {given}",
            ),
            spec.drawn,
        )
    if inputs.unseen is not None:
        unseen = _made(inputs.sampler, inputs.unseen, inputs.standing)
        found["generated from test clips"] = replace(unseen, split="test")
    return found


def _made(
    sampler: Sampler, spec: SampleSpec, standing: str | None, truncation: Truncation | None = None
) -> ClipSet:
    level = None if truncation is None else f"{truncation.level:g} {truncation.kind}"
    drawn = replace(spec.drawn, standing=standing, truncation=level)
    return ClipSet(GeneratedClips(sampler, spec, truncation), drawn)


def _frozen(clips: Readable) -> TransformedClips:
    return TransformedClips(clips, lambda some, _: frozen(some), "frozen")
