"""The checks of published outputs, on a network with given outputs."""

import numpy as np
import pytest
import torch

from dvdgan.errors import UserError
from dvdgan.evaluation.networks.clip_network import Activations, ClipNetwork
from dvdgan.evaluation.networks.conversion import CRICKET_SHAPE, check_cricket, check_white_to_black


class Told(ClipNetwork):
    """Says ``logits`` of white clips, zero of black ones, and keeps the clip it saw."""

    size = 16
    fewest_frames = 9

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, clips):
        self.seen = clips
        return Activations(clips[:, 0, 0, 0], self.logits[None] * clips.mean() / 255)


@pytest.fixture
def cricket(tmp_path):
    clip = np.ones(CRICKET_SHAPE, np.float32)
    np.save(tmp_path / "v_CricketShot_g04_c01_rgb.npy", clip)
    return tmp_path / "v_CricketShot_g04_c01_rgb.npy"


def published_logits():
    logits = torch.full((400,), ((87.108871**2 - 25.856646**2) / 399) ** 0.5)
    logits[227] = 25.856646
    return logits


def test_the_cricket_clip(cricket):
    network = Told(published_logits())
    line = check_cricket(network, cricket)
    assert "largest 25.8566" in line and "class 227" in line
    assert network.seen.shape == (1, 79, 3, 224, 224)
    assert network.seen.min() == network.seen.max() == 255
    for wrong in (published_logits() * 1.001, published_logits().roll(1)):
        with pytest.raises(UserError, match="differs from the published one"):
            check_cricket(Told(wrong), cricket)


def test_another_clip_is_refused(tmp_path, cricket):
    for other in (np.ones((1, 79, 224, 224, 2), np.float32), np.load(cricket) * 255):
        np.save(tmp_path / "other.npy", other)
        with pytest.raises(UserError, match="the clip to check with has shape"):
            check_cricket(Told(published_logits()), tmp_path / "other.npy")
    with pytest.raises(UserError, match="missing"):
        check_cricket(Told(published_logits()), tmp_path / "nothing.npy")


def test_white_to_black():
    logits = torch.full((400,), (133.70 / 400) ** 0.5)
    assert check_white_to_black(Told(logits)).startswith("white to black 133.70")
    with pytest.raises(UserError, match="differs from the published one"):
        check_white_to_black(Told(logits * 1.01))
