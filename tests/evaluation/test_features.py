"""Feature extraction: batching, clip statistics against plain arithmetic, files, refusals."""

import numpy as np
import pytest
import torch

from dvdgan.errors import UserError
from dvdgan.evaluation.features import (
    ClipFeatures,
    clip_statistics,
    extract,
)
from dvdgan.evaluation.networks.feature_network import FeatureNetwork, save_feature_network
from dvdgan.evaluation.networks.small_i3d import SmallI3D


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("features") / "network"
    save_feature_network(path, "small_i3d", SmallI3D(4, 4).eval(), list("abcd"), 0.5, width=4)
    return path


@pytest.fixture(scope="module")
def network(folder):
    return FeatureNetwork.load(folder)


def batches_of(size, clips, labels):
    return list(zip(clips.split(size), labels.split(size), strict=True))


def test_features_do_not_depend_on_how_clips_arrive(network, drifting_squares):
    clips, labels = drifting_squares(37, seed=0, frames=4)
    whole = extract(network, [(clips, labels)], 37, "clips")
    assert len(whole) == 37
    for size in (1, 5, 16, 36):
        found = extract(network, batches_of(size, clips, labels), 37, "clips")
        for name in ("pooled", "logits", "labels", "motion", "brightness", "contrast"):
            assert torch.equal(getattr(found, name), getattr(whole, name)), (size, name)
    alone = torch.cat([network(clip[None]).pooled for clip in clips])
    torch.testing.assert_close(whole.pooled, alone, rtol=1e-4, atol=1e-5)


def test_clip_statistics_are_plain_arithmetic_on_grey_levels(drifting_squares):
    clips, _ = drifting_squares(3, seed=1, frames=5)
    motion, brightness, contrast = clip_statistics(clips)
    for place, clip in enumerate(clips.numpy().astype(np.float64)):
        assert motion[place].item() == pytest.approx(np.abs(np.diff(clip, axis=0)).mean(), rel=1e-5)
        assert brightness[place].item() == pytest.approx(clip.mean(), rel=1e-5)
        assert contrast[place].item() == pytest.approx(clip.std(), rel=1e-5)
    still = torch.full((1, 4, 3, 8, 8), 200, dtype=torch.uint8)
    assert [value.item() for value in clip_statistics(still)] == [0, 200, 0]


def test_saved_features_come_back_and_have_equal_bytes(tmp_path, network, drifting_squares):
    clips, labels = drifting_squares(3, seed=2, frames=4)
    features = extract(network, [(clips, labels)], 3, "clips")
    features.save(tmp_path / "a")
    features.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    loaded = ClipFeatures.load(tmp_path / "a")
    assert torch.equal(loaded.rows(torch.tensor([2, 0])).pooled, features.pooled[[2, 0]])
    with pytest.raises(UserError, match="missing"):
        ClipFeatures.load(tmp_path / "c")


def test_a_loaded_network_is_the_saved_one(folder, network, drifting_squares):
    torch.manual_seed(0)
    clips, _ = drifting_squares(2, seed=3, frames=4)
    expected = SmallI3D(4, 4).eval()(clips.float())
    torch.testing.assert_close(network(clips).logits, expected.logits)
    assert (network.name, network.classes) == ("small_i3d", list("abcd"))
    assert network.test_accuracy == 0.5


@pytest.mark.parametrize(
    "clips",
    [
        torch.zeros(1, 4, 3, 32, 32),
        torch.zeros(4, 3, 32, 32, dtype=torch.uint8),
        torch.zeros(1, 4, 32, 32, 3, dtype=torch.uint8),
    ],
    ids=["float", "no batch", "channels last"],
)
def test_anything_but_uint8_rgb_clips_is_refused(network, clips):
    with pytest.raises(ValueError, match="uint8 with shape"):
        network(clips)


def test_altered_weights_are_refused(tmp_path):
    save_feature_network(tmp_path / "n", "small_i3d", SmallI3D(2, 4), ["a", "b"], width=4)
    weights = tmp_path / "n" / "network.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    with pytest.raises(UserError, match="is not the file"):
        FeatureNetwork.load(tmp_path / "n")
    with pytest.raises(UserError, match="no feature network"):
        FeatureNetwork.load(tmp_path / "elsewhere")


def test_no_clips_are_an_error(network):
    with pytest.raises(UserError, match="no clips"):
        extract(network, [], 0, "generated clips")
