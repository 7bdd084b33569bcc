"""What can go wrong with a run, and how it is done to one that trains.

A fault strikes between two steps of real training. It acts on what the loop works with: the
networks, their optimisers, the draws, the clips; nothing is written into the telemetry.
"""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import _SpectralNorm

from dvdgan.training.draws import Draws
from dvdgan.training.round import Clips, Round
from dvdgan.training.state import TrainState
from dvdgan.training.step import Figures

FLOAT16_MOST = 65504.0


def _nothing(state: TrainState) -> None:
    pass


@dataclass(frozen=True)
class Fault:
    """Done once (``strike``), to every batch of real clips (``feed``), after every step
    (``settle``)."""

    strike: Callable[[Round], Round] = lambda one_round: one_round
    feed: Callable[[Clips], Clips] = lambda clips: clips
    settle: Callable[[TrainState], None] = _nothing


@dataclass
class Struck:
    """A round of training that goes wrong at step ``onset``."""

    round: Round
    fault: Fault
    onset: int

    def play(self, clips: Clips) -> tuple[Figures, float]:
        step = self.round.state.step + 1
        if step == self.onset:
            self.round = self.fault.strike(self.round)
        if step < self.onset:
            return self.round.play(clips)
        told = self.round.play(self.fault.feed(clips))
        self.fault.settle(self.round.state)
        return told


def learning_rates(generator: float, discriminators: float) -> Fault:
    """Both multiplied."""

    def strike(one_round: Round) -> Round:
        state = one_round.state
        for optimizer, factor in (
            (state.generator_optimizer, generator),
            (state.discriminator_optimizer, discriminators),
        ):
            for group in optimizer.param_groups:
                group["lr"] *= factor
        return one_round

    return Fault(strike)


def strong_discriminators(rate: float, steps: int) -> Fault:
    """A higher learning rate and more updates for each of G's."""
    faster = learning_rates(1, rate)

    def strike(one_round: Round) -> Round:
        train = one_round.train.model_copy(update={"discriminator_steps": steps})
        return dataclasses.replace(faster.strike(one_round), train=train)

    return Fault(strike)


def no_spectral_norm(*networks: str, rate: float = 1) -> Fault:
    """The learned weights are used as they are."""
    faster = learning_rates(rate, rate)

    def strike(one_round: Round) -> Round:
        for network in networks:
            for module in getattr(one_round.state, network).modules():
                if isinstance(module, _SpectralNorm):
                    module.forward = _as_it_is  # type: ignore[method-assign]
        return faster.strike(one_round)

    return Fault(strike)


def _as_it_is(weight: Tensor) -> Tensor:
    return weight


def small_batch(size: int, rate: float = 1) -> Fault:
    faster = learning_rates(rate, rate)

    def strike(one_round: Round) -> Round:
        draws = dataclasses.replace(one_round.draws, batch_size=size)
        return dataclasses.replace(faster.strike(one_round), draws=draws)

    return Fault(strike, feed=_of_each(lambda clips, labels: (clips[:size], labels[:size])))


def frozen(optimizer: str, other_rate: float = 1) -> Fault:
    """One network's updates are left out; the other's rate is multiplied."""

    def strike(one_round: Round) -> Round:
        for name in ("generator_optimizer", "discriminator_optimizer"):
            other: Any = getattr(one_round.state, name)
            if name == optimizer:
                other.step = _no_step
            else:
                for group in other.param_groups:
                    group["lr"] *= other_rate
        return one_round

    return Fault(strike)


def _no_step(closure: None = None) -> None:
    pass


def nan_weight(network: str) -> Fault:
    def strike(one_round: Round) -> Round:
        parameter = _largest(getattr(one_round.state, network))
        with torch.no_grad():
            parameter.view(-1)[0] = torch.nan
        return one_round

    return Fault(strike)


def nan_gradient(optimizer: str) -> Fault:
    def spoil(gradient: Tensor) -> None:
        gradient.view(-1)[0] = torch.nan

    return Fault(_before_updates(optimizer, spoil))


def nan_clip() -> Fault:
    """One level of one clip of each batch, as a decoder might leave it."""

    def spoil(clips: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        clips = clips.float()
        clips[0, 0, 0, 0, 0] = torch.nan
        return clips, labels

    return Fault(feed=_of_each(spoil))


def overflow(optimizer: str, scale: float) -> Fault:
    """Gradients pass through 16-bit numbers at a loss scale that nobody lowers."""

    def narrow(gradient: Tensor) -> None:
        wide = gradient * scale
        gradient.copy_(wide.where(wide.abs() <= FLOAT16_MOST, torch.inf * wide.sign()) / scale)

    return Fault(_before_updates(optimizer, narrow))


def _before_updates(optimizer: str, change: Callable[[Tensor], None]) -> Callable[[Round], Round]:
    def hook(adam: torch.optim.Optimizer, *_: object) -> None:
        for group in adam.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    change(parameter.grad)

    def strike(one_round: Round) -> Round:
        getattr(one_round.state, optimizer).register_step_pre_hook(hook)
        return one_round

    return strike


def flipped_bits(count: int, bit: int, *networks: str) -> Fault:
    """``count`` random weights of each network have one bit of their float32 flipped; 30 is the
    exponent's highest: a weight below 2 becomes astronomical."""

    def strike(one_round: Round) -> Round:
        random = torch.Generator().manual_seed(count)
        for network in networks:
            parameters = list(getattr(one_round.state, network).parameters())
            sizes = torch.tensor([parameter.numel() for parameter in parameters])
            for which in torch.multinomial(sizes.double(), count, True, generator=random).tolist():
                words = parameters[which].detach().view(-1).view(torch.int32)
                place = int(torch.randint(len(words), (), generator=random))
                words[place] ^= 1 << bit
        return one_round

    return Fault(strike)


def wrong_labels() -> Fault:
    """The real clips' classes are shuffled among them."""
    return Fault(feed=_of_each(lambda clips, labels: (clips, labels[torch.randperm(len(labels))])))


def random_labels(classes: int) -> Fault:
    return Fault(feed=_of_each(lambda clips, labels: (clips, torch.randint_like(labels, classes))))


def one_class(also_asked: bool) -> Fault:
    """Real clips are of class 0 alone; ``also_asked``: G is asked for no other, either."""

    def feed(clips: Clips) -> Clips:
        for pixels, labels in clips:
            rows = (labels == 0).nonzero().flatten()
            if len(rows) == 0:
                continue
            chosen = rows[torch.arange(len(labels)) % len(rows)]
            yield pixels[chosen], labels[chosen]

    def strike(one_round: Round) -> Round:
        own = torch.zeros_like(one_round.draws.class_labels)
        draws = dataclasses.replace(one_round.draws, class_labels=own)
        return dataclasses.replace(one_round, draws=draws)

    return Fault(strike, feed) if also_asked else Fault(feed=feed)


def loud_output(factor: float) -> Fault:
    """G's last norm gives ``factor`` times its values to the last layer, which saturates."""

    def strike(one_round: Round) -> Round:
        with torch.no_grad():
            for generator in (one_round.state.generator, one_round.state.average):
                generator.output_norm.scale.mul_(factor)
                generator.output_norm.shift.mul_(factor)
        return one_round

    return Fault(strike)


class FixedLatents(Draws):
    """The same latent for every clip of every step."""

    def latents_and_labels(self, step: int, phase: str, latent_dim: int) -> tuple[Tensor, Tensor]:
        latents, labels = super().latents_and_labels(step, phase, latent_dim)
        return torch.full_like(latents, 0.5), labels


def fixed_latents() -> Fault:
    def strike(one_round: Round) -> Round:
        drawn = one_round.draws
        own = {field.name: getattr(drawn, field.name) for field in dataclasses.fields(drawn)}
        return dataclasses.replace(one_round, draws=FixedLatents(**own))

    return Fault(strike)


def frozen_recurrence() -> Fault:
    """G's recurrence forgets its state at every step, so that all frames are alike."""

    def settle(state: TrainState) -> None:
        with torch.no_grad():
            for generator in (state.generator, state.average):
                for gate in (generator.recurrence.reset, generator.recurrence.update):
                    assert gate.bias is not None
                    gate.bias.fill_(-20)

    return Fault(settle=settle)


def spoiled_average(noise: float) -> Fault:
    """Noise of ``noise`` times a weight's own spread is added to the average after every step."""

    def settle(state: TrainState) -> None:
        with torch.no_grad():
            for parameter in state.average.parameters():
                parameter.add_(torch.randn_like(parameter) * noise * parameter.abs().mean())

    return Fault(settle=settle)


def adam_betas(first: float, second: float, rate: float = 1) -> Fault:
    faster = learning_rates(rate, rate)

    def strike(one_round: Round) -> Round:
        state = one_round.state
        for optimizer in (state.generator_optimizer, state.discriminator_optimizer):
            for group in optimizer.param_groups:
                group["betas"] = (first, second)
        return faster.strike(one_round)

    return Fault(strike)


def black_clips() -> Fault:
    return Fault(feed=_of_each(lambda clips, labels: (torch.zeros_like(clips), labels)))


def negated_frames() -> Fault:
    """Every second frame of the real clips is its own negative."""

    def flicker(clips: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        clips = clips.clone()
        clips[:, 1::2] = 255 - clips[:, 1::2]
        return clips, labels

    return Fault(feed=_of_each(flicker))


def _of_each(change: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Callable[[Clips], Clips]:
    return lambda clips: (change(pixels, labels) for pixels, labels in clips)


def _largest(network: nn.Module) -> nn.Parameter:
    parameters: Iterable[nn.Parameter] = network.parameters()
    return max(parameters, key=torch.numel)


G, D, AVERAGE = "generator", "discriminators", "average"
OF_G, OF_D = "generator_optimizer", "discriminator_optimizer"

# kind -> variant -> what is done. The synthetic data has four classes.
FAULTS: dict[str, dict[str, Fault]] = {
    "learning rate x30": {
        "both": learning_rates(30, 30),
        "generator": learning_rates(30, 1),
        "discriminators": learning_rates(1, 30),
        "both x100": learning_rates(100, 100),
    },
    "no spectral norm": {
        "discriminators": no_spectral_norm(D),
        "both": no_spectral_norm(G, D),
        "discriminators, rates x10": no_spectral_norm(D, rate=10),
    },
    "batch of 2": {"plain": small_batch(2), "rates x5": small_batch(2, rate=5)},
    "discriminators too strong": {
        "x8, 4 steps": strong_discriminators(8, 4),
        "x8, 8 steps": strong_discriminators(8, 8),
        "x20, 4 steps": strong_discriminators(20, 4),
    },
    "generator frozen": {"plain": frozen(OF_G), "discriminators x4": frozen(OF_G, 4)},
    "not a number": {
        "generator's weight": nan_weight(G),
        "discriminators' weight": nan_weight(D),
        "average's weight": nan_weight(AVERAGE),
        "generator's gradient": nan_gradient(OF_G),
        "discriminators' gradient": nan_gradient(OF_D),
        "clip": nan_clip(),
    },
    "labels shuffled": {"in the batch": wrong_labels(), "at random": random_labels(4)},
    "one class": {"real": one_class(False), "real and asked": one_class(True)},
    "bits flipped": {
        "1 of the generator": flipped_bits(1, 30, G, AVERAGE),
        "20 of the generator": flipped_bits(20, 30, G, AVERAGE),
        "20 of the discriminators": flipped_bits(20, 30, D),
        "200 of bit 27": flipped_bits(200, 27, G, D, AVERAGE),
    },
    "output saturated": {"x20": loud_output(20), "x100": loud_output(100)},
    "latent fixed": {"plain": fixed_latents()},
    "recurrence frozen": {"plain": frozen_recurrence()},
    "black clips": {"plain": black_clips()},
    "Adam's betas": {"0.9, 0.9": adam_betas(0.9, 0.9), "rates x5": adam_betas(0.9, 0.9, 5)},
    "average spoiled": {"noise 0.1": spoiled_average(0.1), "noise 1": spoiled_average(1.0)},
    "frames negated": {"plain": negated_frames()},
    "discriminators frozen": {"plain": frozen(OF_D), "generator x4": frozen(OF_D, 4)},
    "overflow": {
        "generator": overflow(OF_G, 2.0**24),
        "discriminators": overflow(OF_D, 2.0**24),
    },
}

# They destroy numbers rather than the course of training.
HARD = {"not a number", "bits flipped", "overflow"}
