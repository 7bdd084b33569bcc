"""I3D against what DeepMind's own graph answered in TensorFlow under shared made-up weights."""

import numpy as np
import pytest
import torch
from published_weights import REFERENCE, reference, variable_table, write_checkpoint
from torch.nn import functional

from dvdgan.evaluation.networks.catalogue import CATALOGUE
from dvdgan.evaluation.networks.conversion import convert
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.networks.i3d import I3D, pool_same, same_padding
from dvdgan.evaluation.networks.i3d_layouts import TENSORFLOW

TOLERANCE = 1e-5
SCOPE = "RGB/inception_i3d/"
WHOLE = ["a16", "b9", "c12", "d24", "e41", "f64_legacy", "f64_half", "g128_legacy", "g128_half"]
SHORT = ["h112", "i_odd", "j256"]  # not the size of the head
RULES = {"raw": "none", "legacy": "bilinear_legacy", "half": "bilinear"}


@pytest.fixture(scope="module")
def rule():
    return reference()


@pytest.fixture(scope="module")
def weights(rule):
    return rule["tf_weights"](REFERENCE / "i3d_k400_variables.json", seed=400)


@pytest.fixture(scope="module")
def answers():
    return np.load(REFERENCE / "i3d_parity_k400.npz")


@pytest.fixture(scope="module")
def folder(weights, tmp_path_factory):
    """A checkpoint in TensorFlow's format, converted as a user would."""
    root = tmp_path_factory.mktemp("i3d")
    write_checkpoint(
        root / "rgb_imagenet" / "model.ckpt", {SCOPE + name: w for name, w in weights.items()}
    )
    lines = convert(CATALOGUE["i3d_k400"], root / "rgb_imagenet", root / "i3d_k400")
    assert "published: not a file that DeepMind published" in lines
    assert "epsilon: 0.001" in lines
    return root / "i3d_k400"


def clips_of(rule, case):
    frames = rule["CASES"][case][:4]
    clips = rule["video_u8"](case.removesuffix("_legacy").removesuffix("_half"), *frames)
    return torch.from_numpy(clips).permute(0, 1, 4, 2, 3).contiguous()


def error(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("case", WHOLE)
def test_features_and_logits_are_tensorflows(rule, answers, folder, case):
    network = FeatureNetwork.load(folder, resize=RULES[rule["CASES"][case][4]])
    pooled, logits = network(clips_of(rule, case))
    assert error(pooled.numpy(), answers[f"{case}/pool_mean"]) < TOLERANCE
    assert error(logits.numpy(), answers[f"{case}/logits"]) < TOLERANCE


@pytest.mark.parametrize("case", SHORT)
def test_odd_sizes_are_padded_as_tensorflow_pads(rule, answers, folder, case):
    network = FeatureNetwork.load(folder).network
    with torch.inference_mode():
        found = network.mixed_5c(clips_of(rule, case).float())
    expected = answers[f"{case}/mixed_5c"]
    assert error(found.permute(0, 2, 3, 4, 1).numpy(), expected) < TOLERANCE


def test_the_tolerance_sees_mistakes(rule, answers, weights, folder):
    clips = clips_of(rule, "h112").float()
    expected = answers["h112/mixed_5c"]
    wrong = I3D(400).eval()
    wrong.load_state_dict(TENSORFLOW.folded(weights, epsilon=1e-5))
    right = FeatureNetwork.load(folder).network
    with torch.inference_mode():
        mistakes = {
            "epsilon 1e-5": wrong.mixed_5c(clips),
            "BGR": right.mixed_5c(clips.flip(2)),
            "time reversed": right.mixed_5c(clips.flip(1)),
            "range [0, 1]": right.mixed_5c(clips / 2 + 127.5),
        }
    for mistake, found in mistakes.items():
        gap = error(found.permute(0, 2, 3, 4, 1).numpy(), expected)
        assert gap > 100 * TOLERANCE, mistake


@pytest.mark.parametrize("classes", [400, 600])
def test_the_layout_is_the_official_checkpoints(classes):
    official = {
        each["name"].removeprefix(SCOPE): tuple(each["shape"])
        for each in variable_table(classes)
        if not each["name"].endswith("/Momentum")
    }
    expected = TENSORFLOW.expected(classes)
    assert official.keys() == expected.keys()
    assert all(shape in expected[name] for name, shape in official.items())
    # Folded: a kernel and a bias for each of 57 units, and the logits'.
    assert len(I3D(classes).state_dict()) == 2 * 58


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "expected"),
    [
        (224, 7, 2, (2, 3)),
        (131, 7, 2, (3, 3)),
        (9, 7, 2, (3, 3)),
        (56, 3, 1, (1, 1)),
        (7, 2, 2, (0, 1)),
    ],
)
def test_same_padding_puts_the_odd_one_at_the_end(length, kernel, stride, expected):
    assert same_padding(length, kernel, stride) == expected


@pytest.mark.parametrize("sizes", [(2, 3, 4), (5, 7, 8), (4, 56, 9)])
@pytest.mark.parametrize(
    ("kernel", "stride"),
    [
        ((1, 3, 3), (1, 2, 2)),
        ((3, 3, 3), (2, 2, 2)),
        ((2, 2, 2), (2, 2, 2)),
        ((3, 3, 3), (1, 1, 1)),
    ],
)
def test_pooling_is_torchs_of_padded_features(sizes, kernel, stride):
    features = torch.rand(2, 3, *sizes)
    pads = [
        side
        for axis in reversed(list(zip(sizes, kernel, stride, strict=True)))
        for side in same_padding(*axis)
    ]
    expected = functional.max_pool3d(functional.pad(features, pads), kernel, stride)
    assert torch.equal(pool_same(features, kernel, stride), expected)
