"""One train step: train.discriminator_steps updates of D, one of G (paper 2.2, A.3).

From the top: the hinge losses, the loss of one D update and of one G update, the optimizer step
(gradients, loss scale, Adam), and the train step that puts them together.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import relu
from torch.nn.parallel import DistributedDataParallel

from dvdgan.models.discriminators import Scores
from dvdgan.models.generator import GeneratorInputs
from dvdgan.models.spectral import no_power_iteration
from dvdgan.models.views import Views
from dvdgan.training.ema import decay_at, update_average
from dvdgan.training.sampling_rng import SamplingRNG
from dvdgan.training.state import Precision, TrainState

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip, Model, Train

DTYPES: dict[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}

LabelledClips = tuple[Tensor, Tensor]
Batches = Iterator[LabelledClips]
StepMetrics = dict[str, Tensor]
Loss = tuple[Tensor, StepMetrics]


def discriminator_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """E[relu(1 - D(x))] + E[relu(1 + D(G(z)))]; logits (B,) -> scalar, 0 when D is sure."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def generator_hinge(fake: Tensor) -> Tensor:
    """-E[D(G(z))]: G maximises the score of its clips; logits (B,) -> scalar."""
    return -fake.mean()


def discriminator_loss(
    discriminators: nn.Module, real: LabelledClips, fake: LabelledClips, views: Views
) -> Loss:
    """The sum of the hinge losses of D_S and D_T, from one forward pass on [real; fake].

    real, fake: clips (B, T, 3, H, W) in [-1, 1] and labels (B,); fake carries no graph.
    views: of the 2B clips. The metrics: loss and mean logits of each discriminator.
    """
    video = torch.cat([real[0], fake[0]])
    labels = torch.cat([real[1], fake[1]])
    scores: Scores = discriminators(video, labels, views)
    losses = []
    metrics: StepMetrics = {}
    for name, logits in scores.given().items():
        of_real, of_fake = _full_precision(logits).chunk(2)
        losses.append(discriminator_hinge(of_real, of_fake))
        metrics |= {
            f"{name}_loss": losses[-1].detach(),
            f"{name}_real": of_real.detach().mean(),
            f"{name}_fake": of_fake.detach().mean(),
        }
    return torch.stack(losses).sum(), metrics


def generator_loss(
    generator: nn.Module, discriminators: nn.Module, inputs: GeneratorInputs, views: Views
) -> Loss:
    """Minus the sum of both discriminators' scores. inputs and views: of B clips."""
    scores: Scores = discriminators(generator(*inputs), inputs.labels, views)
    losses = [generator_hinge(_full_precision(logits)) for logits in scores.given().values()]
    loss = torch.stack(losses).sum()
    return loss, {"generator_loss": loss.detach()}


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Run forward passes inside in ``precision``."""
    return torch.autocast(device.type, DTYPES[precision], enabled=precision != "fp32")


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Compute no gradients of the parameters of ``network`` inside the block."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


@dataclass(frozen=True)
class OptimizerStep:
    """Updates one network by its loss; everything else in the loss stays as it is."""

    network: nn.Module
    """As the runtime wrapped it."""
    members: Mapping[str, nn.Module]
    """Its parts whose gradient norms are reported, by name."""
    others: tuple[nn.Module, ...]
    """The other networks that take part in its loss."""
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    precision: Precision
    device: torch.device

    def step(self, parts: int, loss_of: Callable[[int], Loss]) -> StepMetrics:
        """One update by the mean loss of ``parts`` equal parts of the batch.

        ``loss_of(part)`` runs the forward passes of part 0 .. parts - 1. Power iterations run for
        the first part alone and processes exchange gradients at the last, so that the update is
        that of the whole batch at once. Returns scalars: the means of the metrics over parts,
        gradient norms, and how many parameters had gradients that are not finite.

        In fp16 an update with such gradients is skipped and the loss scale halved.
        """
        self.optimizer.zero_grad(set_to_none=True)
        of_parts: list[StepMetrics] = []
        for part in range(parts):
            with ExitStack() as around:
                if part > 0:
                    for network in (self.network, *self.others):
                        around.enter_context(no_power_iteration(network))
                if part < parts - 1 and isinstance(self.network, DistributedDataParallel):
                    around.enter_context(self.network.no_sync())
                with autocast(self.precision, self.device):
                    loss, metrics = loss_of(part)
                of_parts.append(metrics)
                self.scaler.scale(loss / parts).backward()
        self.scaler.unscale_(self.optimizer)
        gradients = self._gradient_metrics()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        means = {
            name: torch.stack([metrics[name] for metrics in of_parts]).mean(dim=0)
            for name in of_parts[0]
        }
        return means | gradients

    def _gradient_metrics(self) -> StepMetrics:
        metrics: StepMetrics = {}
        non_finite = torch.zeros((), dtype=torch.int64, device=self.device)
        for name, member in self.members.items():
            gradients = [p.grad for p in member.parameters() if p.grad is not None]
            norms = torch.stack(torch._foreach_norm(gradients))
            metrics[f"{name}_gradient_norm"] = torch.linalg.vector_norm(norms)
            non_finite += (~norms.isfinite()).sum()
        return metrics | {"non_finite_gradients": non_finite}


@dataclass
class TrainStep:
    """Runs train steps; holds what every step needs besides real clips.

    generator, discriminators: the networks of ``state`` as the runtime wrapped them.
    """

    clip: "Clip"
    model: "Model"
    train: "Train"
    state: TrainState
    generator: nn.Module
    discriminators: nn.Module
    rng: SamplingRNG

    def __post_init__(self) -> None:
        state = self.state
        precision, device = self.train.precision, self.rng.device
        self._rows = self.rng.rows(self.train.accumulation)
        self._discriminators = OptimizerStep(
            self.discriminators,
            dict(state.discriminators.named_children()),
            (state.generator,),
            state.discriminator_optimizer,
            state.discriminator_scaler,
            precision,
            device,
        )
        self._generator = OptimizerStep(
            self.generator,
            {"generator": state.generator},
            (state.discriminators,),
            state.generator_optimizer,
            state.generator_scaler,
            precision,
            device,
        )

    def run(self, clips: Batches) -> tuple[StepMetrics, float]:
        """Advance the state by one step.

        ``clips``: this process's rows of real batches, clips (B, T, 3, H, W) uint8 and labels (B,).
        Returns scalar metrics and the seconds spent waiting for clips.
        """
        step = self.state.step + 1
        waited = 0.0
        of_updates: list[StepMetrics] = []
        given = None
        for update in range(self.train.discriminator_steps):
            began = time.perf_counter()
            pixels, labels = next(clips)
            waited += time.perf_counter() - began
            # The loader gives them in page-locked memory where there is a GPU.
            pixels, labels = (
                each.to(self.rng.device, non_blocking=True) for each in (pixels, labels)
            )
            real = (to_model_range(pixels), labels)
            # Prediction continues the real clips of the same D update, and in G's update those of
            # the last D update.
            if self.model.conditioning_frames:
                given = real[0][:, : self.model.conditioning_frames]
            phase = f"discriminator {update}"
            of_updates.append(self._update_discriminators(step, phase, real, given))
        of_updates.append(self._update_generator(step, given))
        decay = decay_at(step, self.train.ema_decay, self.train.ema_start)
        update_average(self.state.average, self.state.generator, decay)
        self.state.step = step
        return _merged(of_updates), waited

    def _update_discriminators(
        self, step: int, phase: str, real: LabelledClips, given: Tensor | None
    ) -> StepMetrics:
        inputs = self._inputs(step, phase, given)
        views = [self._views(step, f"{phase} {which}") for which in ("real", "fake")]

        def loss_of(part: int) -> Loss:
            rows = self._rows[part]
            latents = inputs.rows(rows)
            with torch.no_grad():
                fake = (self.state.generator(*latents), latents.labels)
            seen = Views.join(*(of_clips.rows(rows) for of_clips in views))
            return discriminator_loss(
                self.discriminators, (real[0][rows], real[1][rows]), fake, seen
            )

        return self._discriminators.step(self.train.accumulation, loss_of)

    def _update_generator(self, step: int, given: Tensor | None) -> StepMetrics:
        inputs = self._inputs(step, "generator", given)
        views = self._views(step, "generator")

        def loss_of(part: int) -> Loss:
            rows = self._rows[part]
            return generator_loss(
                self.generator, self.state.discriminators, inputs.rows(rows), views.rows(rows)
            )

        with frozen(self.state.discriminators):
            return self._generator.step(self.train.accumulation, loss_of)

    def _inputs(self, step: int, phase: str, given: Tensor | None) -> GeneratorInputs:
        latents, labels = self.rng.latents_and_labels(step, phase, self.model.latent_dim)
        return GeneratorInputs(latents, labels, given)

    def _views(self, step: int, phase: str) -> Views:
        return self.rng.views(step, phase, self.clip.frames, self.model.spatial_frames)


def to_model_range(clips: Tensor) -> Tensor:
    """uint8 0..255 -> float in [-1, 1]."""
    return clips.float() / 127.5 - 1


def _full_precision(logits: Tensor) -> Tensor:
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits


def _merged(of_updates: list[StepMetrics]) -> StepMetrics:
    """Each metric of the last update that has it; non-finite gradients counted over all."""
    non_finite = torch.stack([metrics["non_finite_gradients"] for metrics in of_updates]).sum()
    merged: StepMetrics = {}
    for metrics in of_updates:
        merged |= metrics
    return merged | {"non_finite_gradients": non_finite}
