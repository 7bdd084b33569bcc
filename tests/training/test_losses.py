"""The hinge losses against numpy (paper 2.2)."""

import numpy as np
import pytest
import torch

from dvdgan.training.train_step import discriminator_hinge, generator_hinge


def test_the_discriminator_s_hinge() -> None:
    real, fake = 2 * torch.randn(50), 2 * torch.randn(50)
    x, gz = real.double().numpy(), fake.double().numpy()
    expected = np.mean([max(0, 1 - each) for each in x]) + np.mean([max(0, 1 + y) for y in gz])
    assert discriminator_hinge(real, fake).item() == pytest.approx(expected, rel=1e-5)


def test_beyond_the_margin_there_is_no_loss_and_no_gradient() -> None:
    real = torch.tensor([1.0, 1.5, 9.0], requires_grad=True)
    fake = torch.tensor([-1.0, -2.0, -9.0], requires_grad=True)
    loss = discriminator_hinge(real, fake)
    loss.backward()
    assert loss.item() == 0
    assert not real.grad.any()
    assert not fake.grad.any()


def test_the_generator_s_loss_has_no_margin() -> None:
    fake = torch.tensor([-5.0, 0.5, 9.0], requires_grad=True)
    loss = generator_hinge(fake)
    loss.backward()
    assert loss.item() == pytest.approx(-1.5)
    assert fake.grad.tolist() == pytest.approx([-1 / 3] * 3)
