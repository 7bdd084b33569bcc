"""train.guard: the criteria of a collapse and the response to it."""

from typing import Annotated

from pydantic import Field

from dvdgan.config.section import Count, Fraction, Section
from dvdgan.protocols import MINIMUM_CLIPS


class Thresholds(Section):
    """Thresholds of the collapse criteria (docs/collapse.md). Sample metrics are compared with the
    best checkpoint, which is the healthy one with the lowest FVD so far. Training metrics are
    compared with all healthy checkpoints."""

    baseline_factor: Annotated[float, Field(gt=0)]
    """A checkpoint is healthy only if the 95% interval of its FVD is below this multiple of the
    untrained generator's FVD."""
    distance_ratio: Annotated[float, Field(gt=1)]
    """Suspect if FVD or FID exceeds this multiple of the lowest value so far."""
    distance_floor: Fraction
    """Lower bound of that lowest value, as a fraction of the untrained generator's value. Distances
    near 0 vary by multiples of themselves."""
    spread_ratio: Annotated[float, Field(gt=0, lt=1)]
    """Suspect if IS, accuracy, diversity or diversity within classes is below this fraction of the
    best checkpoint's."""
    recall_ratio: Annotated[float, Field(gt=0, lt=1)]
    """The same for recall, which varies more."""
    defect_rise: Fraction
    """Suspect if the fraction of samples that are static, uniform, saturated, flickering or near
    duplicates exceeds the best checkpoint's by more than this."""
    discriminator_loss: Annotated[float, Field(ge=0)]
    """A discriminator has won if the median of its hinge loss is below this value and its logits
    exceed `logit_gap`."""
    logit_gap: Annotated[float, Field(gt=0)]
    """Difference of a discriminator's logits on real and generated clips above which it has won,
    together with `discriminator_loss`."""
    gradient_ratio: Annotated[float, Field(gt=1)]
    """Suspect if a network's median gradient norm, or the largest norm over the median, exceeds the
    highest value so far by this factor, or if the median is below the lowest by this factor."""
    singular_value_ratio: Annotated[float, Field(gt=1)]
    """Suspect if the largest singular value of a layer grew from one evaluation to the next by more
    than this multiple of the highest growth so far."""
    singular_value_change: Annotated[float, Field(ge=0, lt=1)]
    """A network has stopped learning if the largest of these growth factors differs from 1 by less
    than this."""


class Guard(Section):
    """Evaluation of checkpoints during training, and the response to a collapse."""

    samples: Annotated[int, Field(ge=MINIMUM_CLIPS)]
    """Generated clips per evaluation of a checkpoint."""
    evaluate_every: Count
    """Steps between evaluations, a multiple of train.checkpoint_every. While a run is suspect,
    every checkpoint is evaluated."""
    patience: Count
    """Number of consecutive suspect evaluations that count as a collapse. For non-finite values one
    is enough."""
    thresholds: Thresholds
    """Thresholds of the collapse criteria."""
    warm_up: Annotated[float, Field(gt=0, le=1)]
    """Fraction of train.steps within which a checkpoint must be clearly closer to real clips than
    the untrained generator. Otherwise the run ends as never learned."""
    max_rollbacks: Annotated[int, Field(ge=0)]
    """Number of rollbacks, to a healthy checkpoint or to the beginning, before the run ends with
    the best checkpoint."""
    learning_rate_scale: Annotated[float, Field(gt=0, le=1)]
    """Factor for both learning rates at each rollback."""
    added_discriminator_steps: Annotated[int, Field(ge=0)]
    """Number of D updates per G update that each rollback adds."""
