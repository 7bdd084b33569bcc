"""A batch worked through in parts moves the networks as the whole batch does."""

from collections.abc import Iterator

import pytest
import torch
from tiny_run import CLIP, MODEL, TRAIN
from torch import Tensor

from dvdgan.training import train_step as steps
from dvdgan.training.sampling_rng import SamplingRNG
from dvdgan.training.state import TrainState, initial_state
from dvdgan.training.train_step import TrainStep

CPU = torch.device("cpu")
CLIPS, ROUNDS = 8, 2
# Parts have batch statistics of their own; a group norm's are of one frame.
GROUPED = {"block_norm": "group", "output_norm": "group"}


@pytest.fixture
def in_float64(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(steps, "to_model_range", lambda clips: clips.double() / 127.5 - 1)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def noise() -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(3)
    while True:
        shape = (CLIPS, CLIP.frames, 3, CLIP.resolution, CLIP.resolution)
        pixels = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
        yield pixels, torch.arange(CLIPS) % 3


def played(parts: int, conditioning: int = 0, precision: str = "fp32") -> tuple[TrainState, dict]:
    """The state after ROUNDS steps, and what the last one told."""
    model = MODEL.model_copy(update=GROUPED | {"conditioning_frames": conditioning})
    train = TRAIN.model_copy(
        update={"batch_size": CLIPS, "accumulation": parts, "precision": precision}
    )
    state = initial_state(CLIP, model, train, 3, CPU)
    for scaler in (state.generator_scaler, state.discriminator_scaler):
        if scaler.is_enabled():  # low enough that no update overflows and is left out
            scaler.load_state_dict(scaler.state_dict() | {"scale": 256.0})
    draws = SamplingRNG(0, CLIPS, torch.arange(3), CPU)
    train_step = TrainStep(CLIP, model, train, state, state.generator, state.discriminators, draws)
    clips = noise()
    for _ in range(ROUNDS):
        figures, _ = train_step.run(clips)
    return state, {name: value.item() for name, value in figures.items()}


@pytest.mark.parametrize("conditioning", [0, 1])
def test_parts_are_the_whole(in_float64: None, conditioning: int) -> None:
    whole, told = played(1, conditioning)
    for parts in (2, 8):
        split, also_told = played(parts, conditioning)
        for name in ("generator", "discriminators", "average"):
            one, other = getattr(whole, name).state_dict(), getattr(split, name).state_dict()
            for key, tensor in one.items():
                torch.testing.assert_close(other[key], tensor, rtol=1e-9, atol=1e-11, msg=key)
        assert also_told == pytest.approx(told, rel=1e-9)


def test_lower_precision_tells_nearly_the_same() -> None:
    """Losses and logits of the second round: what a half-precision forward may change."""
    _, full = played(1)
    for precision in ("bf16", "fp16"):
        state, told = played(1, precision=precision)
        for name in ("spatial_loss", "temporal_loss", "generator_loss"):
            assert told[name] == pytest.approx(full[name], rel=0.1, abs=0.1)
        assert told["non_finite_gradients"] == 0
        for network in (state.generator, state.discriminators):
            assert {tensor.dtype for tensor in network.parameters()} == {torch.float32}
        assert state.generator_scaler.is_enabled() == (precision == "fp16")
