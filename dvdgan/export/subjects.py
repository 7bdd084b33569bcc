"""The sets of clips that a protocol measures: generated ones, and controls that give a scale."""

from dataclasses import dataclass, field, replace

from torch import Tensor

from dvdgan.data.sources.altered import Altered, ContinuedClips, Readable, RepeatedClip
from dvdgan.data.sources.even_clips import EvenClips
from dvdgan.evaluation.conditions import NOT_DRAWN, USUAL_STANDING, Drawn
from dvdgan.evaluation.controls import frozen, held, shuffled
from dvdgan.export.generated_clips import Asked, GeneratedClips
from dvdgan.export.sampler import Sampler
from dvdgan.models.latent import Truncation

GENERATED, GENERATED_FROZEN, REAL_FROZEN = "generated", "generated, frozen", "real clips, frozen"


@dataclass(frozen=True)
class Subject:
    """A set of clips to be measured."""

    clips: Readable
    drawn: Drawn = NOT_DRAWN
    split: str = "train"
    """Split whose statistics it is compared with."""


@dataclass(frozen=True)
class Material:
    """What the sets are made from."""

    sampler: Sampler
    untrained: Sampler
    asked: Asked
    unseen: Asked | None
    """In prediction, test clips to continue; None without a test split."""
    mean_clip: Tensor
    real: EvenClips | None
    """Real clips, of the test split where it has enough; None for too few to be measured."""
    truncations: list[float] = field(default_factory=list)
    standing: str | None = None
    """What the standing statistics of ``sampler`` were made of; None: unknown."""


def generated(material: Material, number: int = 0) -> Subject:
    """The clips of the bundle; ``number`` above 0: another set, of other latents."""
    return _made(material.sampler, material.asked.another(number), material.standing)


def truncated(material: Material, level: float) -> Subject:
    """The same clips from latents nearer to their mean (paper 4.4)."""
    return _made(material.sampler, material.asked, material.standing, Truncation(level))


def frozen_sets(material: Material) -> dict[str, Subject]:
    """Clips whose motion is gone, generated and real: to compare frames alone."""
    if material.real is None:
        return {}
    made = GeneratedClips(material.sampler, material.asked)
    return {
        GENERATED_FROZEN: Subject(_frozen(made), generated(material).drawn),
        REAL_FROZEN: Subject(_frozen(material.real)),
    }


def controls(material: Material) -> dict[str, Subject]:
    """What the numbers are to be read against; docs/stages/evaluate.md tells what each shows."""
    asked, seed = material.asked, material.asked.seed
    found = {
        "untrained generator": _made(material.untrained, asked, USUAL_STANDING),
        "mean clip": Subject(RepeatedClip(material.mean_clip, asked.labels)),
    }
    if material.real is not None:
        found["real clips, shuffled"] = Subject(
            Altered(
                material.real, lambda clips, first: shuffled(clips, seed, first), f"shuffled {seed}"
            )
        )
    if asked.conditioning is not None:
        given = asked.conditioning.frames
        found["last given frame repeated"] = Subject(
            Altered(
                ContinuedClips(asked.conditioning, asked.labels),
                lambda clips, _: held(clips, given),
                f"held after {given}",
            ),
            asked.drawn,
        )
    if material.unseen is not None:
        unseen = _made(material.sampler, material.unseen, material.standing)
        found["generated from test clips"] = replace(unseen, split="test")
    return found


def _made(
    sampler: Sampler, asked: Asked, standing: str | None, truncation: Truncation | None = None
) -> Subject:
    level = None if truncation is None else f"{truncation.level:g} {truncation.kind}"
    drawn = replace(asked.drawn, standing=standing, truncation=level)
    return Subject(GeneratedClips(sampler, asked, truncation), drawn)


def _frozen(clips: Readable) -> Altered:
    return Altered(clips, lambda some, _: frozen(some), "frozen")
