"""What a run does, counted from its params and its networks; nothing here depends on a machine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dvdgan.config import load_config
from dvdgan.models.build import discriminator_architecture, generator_architecture
from dvdgan.models.cost import ModelCost
from dvdgan.review.costs import networks_cost, number_of_classes
from dvdgan.scaling.equations import FLOAT_BYTES, step_operations, weight_bytes
from dvdgan.scaling.forward import discriminator_operations, generator_forward

if TYPE_CHECKING:
    from dvdgan.training.state import Precision

# Bytes of a stored pixel at quality 95 by the height of its frame: real videos (docs/speed.md).
PIXEL_BYTES = {64: 4284 / 64**2, 128: 11912 / 128**2}


@dataclass(frozen=True)
class Workload:
    """A run of `train`."""

    name: str
    cost: ModelCost
    batch_norms: tuple[int, ...]
    """Channels of each batch norm of a forward of G."""
    generator_operations: int
    """Of torch, in a forward of G."""
    discriminator_operations: int
    steps: int
    batch: int
    """Clips of all GPUs."""
    accumulation: int
    discriminator_steps: int
    precision: "Precision"
    checkpoint_every: int
    preview_every: int
    evaluate_every: int
    evaluation_samples: int
    standing_clips: int
    """Clips that G generates for an evaluation besides those that are measured."""
    clip_pixels: int
    """Of the frames of a clip."""
    clip_bytes: float
    """Of a clip in the shards."""

    @property
    def clip_multiply_adds(self) -> int:
        """Of a train step, for each clip of its batch."""
        return self.cost.train_step(self.discriminator_steps)

    @property
    def generator_gradients(self) -> int:
        """Bytes of an exchange of G's gradients: float32 in every precision."""
        return FLOAT_BYTES * self.cost.generator.parameters

    @property
    def discriminator_gradients(self) -> int:
        """Bytes of an exchange of D's gradients, of which a step has one for each update of D."""
        return FLOAT_BYTES * (self.cost.parameters - self.cost.generator.parameters)

    @property
    def weight_bytes(self) -> int:
        """Bytes that a step moves for the weights on every GPU."""
        g = self.cost.generator.parameters
        d = self.cost.parameters - g
        return weight_bytes(g, d, self.discriminator_steps, self.accumulation)

    @property
    def operations(self) -> int:
        """Of torch in a step, each of which the processor launches."""
        of_networks = self.generator_operations, self.discriminator_operations
        return self.accumulation * step_operations(*of_networks, self.discriminator_steps)

    @property
    def real_clips(self) -> int:
        """Clips that a step reads: a batch for each update of D."""
        return self.batch * self.discriminator_steps

    @property
    def evaluations(self) -> int:
        """Of the untrained generator, and on the schedule."""
        return 1 + self.steps // self.evaluate_every

    def fits(self, gpus: int, memory: float) -> int | None:
        """The smallest accumulation, at least that of params, whose parts fit ``memory`` bytes.

        None if not even one clip fits, or the batch cannot be divided among the GPUs.
        """
        if self.batch % (gpus * self.accumulation):
            return None
        clips = self.batch // gpus
        for parts in range(self.accumulation, clips + 1):
            if clips % parts == 0 and self.cost.train_memory(clips // parts) <= memory:
                return parts
        return None

    def accumulated(self, parts: int) -> "Workload":
        """The same run with train.accumulation set to ``parts``."""
        return replace(self, accumulation=parts)


def batch_norm_messages(
    channels: Sequence[int], discriminator_steps: int, accumulation: int, device: str
) -> tuple[list[int], list[int]]:
    """Bytes that each process gives to the messages of batch norm in one train step.

    Returns those of forward passes and those of backward passes. G runs forward for each update of
    D and for its own, and backward once, for each part of the accumulation. "cuda": torch's
    SyncBatchNorm, one all-gather of 2 C + 1 numbers forward and one all-reduce of 2 C backward;
    "cpu": CpuSyncBatchNorm, two all-reduces of C either way.
    """
    if device == "cuda":
        forward = [FLOAT_BYTES * (2 * each + 1) for each in channels]
        backward = [FLOAT_BYTES * 2 * each for each in channels]
    else:
        forward = backward = [FLOAT_BYTES * each for each in channels for _ in range(2)]
    return forward * ((discriminator_steps + 1) * accumulation), backward * accumulation


def read_workload(
    params: Path, folder: Path = Path(), precision: "Precision | None" = None
) -> Workload:
    """The workload of a params file; folder: the project, whose shards say the number of classes.

    Raises UserError for params that `dvdgan check` refuses.
    """
    config = load_config(params)
    clip, model, train, export = config.clip, config.model, config.train, config.export
    classes = number_of_classes(folder)
    norms, operations = generator_forward(generator_architecture(model, clip, classes))
    pixels = clip.frames * clip.resolution**2
    nearest = min(PIXEL_BYTES, key=lambda side: abs(side - clip.resolution))
    return Workload(
        params.stem,
        networks_cost(model, clip, classes),
        norms,
        operations,
        discriminator_operations(
            discriminator_architecture(model, clip, classes), clip.frames, model.spatial_frames
        ),
        train.steps,
        train.batch_size,
        train.accumulation,
        train.discriminator_steps,
        precision or train.precision,
        train.checkpoint_every,
        train.preview_every,
        train.guard.evaluate_every,
        train.guard.samples,
        export.standing_batches * export.standing_batch_size,
        pixels,
        pixels * PIXEL_BYTES[nearest],
    )
