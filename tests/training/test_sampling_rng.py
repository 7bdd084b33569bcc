"""Random draws depend on (seed, step, purpose) alone; processes share one global draw."""

import torch

from dvdgan.training.sampling_rng import SamplingRNG

LABELS = torch.tensor([0, 0, 0, 1, 2, 2, 2, 2, 2, 2])


def draws(seed: int = 0, rank: int = 0, world_size: int = 1, batch: int = 12) -> SamplingRNG:
    return SamplingRNG(seed, batch, LABELS, torch.device("cpu"), rank, world_size)


def test_processes_put_together_draw_what_one_does() -> None:
    alone = [*draws().latents_and_labels(7, "generator", 5), *draws().views(7, "d", 9, 4)]
    parts = [
        [*each.latents_and_labels(7, "generator", 5), *each.views(7, "d", 9, 4)]
        for each in (draws(rank=rank, world_size=3) for rank in range(3))
    ]
    for number, whole in enumerate(alone):
        together = torch.empty_like(whole)
        for rank in range(3):
            together[rank::3] = parts[rank][number]
        assert torch.equal(together, whole)


def test_equal_asks_give_equal_draws_and_others_do_not() -> None:
    once = draws().latents_and_labels(3, "generator", 6)[0]
    draws().latents_and_labels(4, "generator", 6)  # nothing is left behind
    assert torch.equal(draws().latents_and_labels(3, "generator", 6)[0], once)
    for other in (
        draws(seed=1).latents_and_labels(3, "generator", 6)[0],
        draws().latents_and_labels(4, "generator", 6)[0],
        draws().latents_and_labels(3, "discriminator 0", 6)[0],
    ):
        assert not torch.isclose(other, once).any()


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    draws().latents_and_labels(3, "generator", 6)
    draws().views(3, "generator", 6, 2)
    assert torch.equal(torch.get_rng_state(), before)


def test_classes_come_at_the_data_s_frequencies() -> None:
    _, labels = draws(batch=20_000).latents_and_labels(1, "generator", 1)
    shares = torch.bincount(labels) / len(labels)
    torch.testing.assert_close(shares, torch.tensor([0.3, 0.1, 0.6]), atol=0.015, rtol=0)
