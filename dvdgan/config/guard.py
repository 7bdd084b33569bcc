"""train.guard: when a run has collapsed, and what is done then."""

from typing import Annotated

from pydantic import Field

from dvdgan.config.section import Count, Fraction, Section
from dvdgan.protocols import MINIMUM_CLIPS


class Thresholds(Section):
    """Values beyond which a health metric indicates a collapse (docs/collapse.md). Samples are
    compared with the best checkpoint, the healthy one with the lowest FVD so far, the rest with all
    healthy ones."""

    baseline_factor: Annotated[float, Field(gt=0)]
    """A checkpoint is healthy only where the 95% interval of its FVD lies below so many times that
    of the untrained generator."""
    distance_ratio: Annotated[float, Field(gt=1)]
    """FVD or FID is more than so many times the lowest ..."""
    distance_floor: Fraction
    """... which counts as at least this share of the untrained generator's: near 0 a distance
    wavers by multiples of itself."""
    spread_ratio: Annotated[float, Field(gt=0, lt=1)]
    """IS, accuracy, diversity or diversity within classes is less than this part of the best
    checkpoint's."""
    recall_ratio: Annotated[float, Field(gt=0, lt=1)]
    """The same for recall, which varies more."""
    defect_rise: Fraction
    """The share of samples that are static, uniform, saturated, flickering or near duplicates is
    higher than the best checkpoint's by more than this."""
    discriminator_loss: Annotated[float, Field(ge=0)]
    """A discriminator has won when the median of its hinge loss is below this ..."""
    logit_gap: Annotated[float, Field(gt=0)]
    """... and its logits on real and generated clips are further apart than this."""
    gradient_ratio: Annotated[float, Field(gt=1)]
    """The median norm of a network's gradient, or the largest over the median, is more than so many
    times the highest; or the median is lower than the lowest by this factor."""
    singular_value_ratio: Annotated[float, Field(gt=1)]
    """The largest singular value of a layer grew by more than so many times the highest growth from
    one evaluation to the next."""
    singular_value_change: Annotated[float, Field(ge=0, lt=1)]
    """A network has stopped learning when the largest of these growths differs from 1 by less than
    this."""


class Guard(Section):
    """When a run has collapsed, and what is done then."""

    samples: Annotated[int, Field(ge=MINIMUM_CLIPS)]
    """Generated clips in the evaluation of one checkpoint."""
    evaluate_every: Count
    """Steps between evaluations, a multiple of train.checkpoint_every; while a run is suspect every
    checkpoint is evaluated."""
    patience: Count
    """Suspect evaluations in a row that make a collapse; non-finite values need only one."""
    thresholds: Thresholds
    """Values beyond which a health metric indicates a collapse."""
    warm_up: Annotated[float, Field(gt=0, le=1)]
    """Part of train.steps within which a checkpoint has to be clearly nearer to real clips than the
    untrained generator; a run without one ends as never learned."""
    max_rollbacks: Annotated[int, Field(ge=0)]
    """Returns to a healthy checkpoint or to the beginning before the run ends with the best one."""
    learning_rate_scale: Annotated[float, Field(gt=0, le=1)]
    """Each rollback multiplies both learning rates by this."""
    added_discriminator_steps: Annotated[int, Field(ge=0)]
    """Each rollback adds so many D updates per G update."""
