"""Agreement with torchmetrics and torch-fidelity in float64, where they compute the same number."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from dvdgan.evaluation.frechet import frechet_distance
from dvdgan.evaluation.inception_score import inception_score
from dvdgan.evaluation.kernel_distance import kernel_distance
from dvdgan.evaluation.manifold import manifold_scores
from dvdgan.evaluation.moments import Moments

GENERATOR = torch.Generator().manual_seed(0)
LOGITS = torch.randn(90, 12, generator=GENERATOR, dtype=torch.float64) * 3
CASES = {
    "narrow": (
        torch.randn(300, 16, generator=GENERATOR, dtype=torch.float64) * 2 + 1,
        torch.randn(200, 16, generator=GENERATOR, dtype=torch.float64),
    ),
    # As average-pool features are: no negative ones, unequal spreads, correlated.
    "rectified": tuple(
        (torch.randn(400, 24, generator=GENERATOR, dtype=torch.float64) @ mixing).relu() * scale
        for scale in (1.0, 1.3)
        for mixing in [torch.randn(24, 24, generator=GENERATOR, dtype=torch.float64)]
    ),
}
each_case = pytest.mark.parametrize(("generated", "real"), CASES.values(), ids=CASES)


class Passing(nn.Module):
    """Takes features for images, so that a library's metric sees ours."""

    def __init__(self, size):
        super().__init__()
        self.num_features = size

    def forward(self, features):
        return features


@each_case
def test_torchmetrics_fid(generated, real):
    image = pytest.importorskip("torchmetrics.image.fid")
    metric = image.FrechetInceptionDistance(Passing(generated.shape[1])).set_dtype(torch.float64)
    metric.update(real, real=True)
    metric.update(generated, real=False)
    found = frechet_distance(Moments.of(generated), Moments.of(real))
    assert found == pytest.approx(float(metric.compute()), rel=1e-6)


def test_torchmetrics_inception_score():
    image = pytest.importorskip("torchmetrics.image.inception")
    with warnings.catch_warnings():
        # That it keeps features; and that one split has no deviation.
        warnings.simplefilter("ignore", UserWarning)
        metric = image.InceptionScore(Passing(12), splits=1)
        metric.update(LOGITS)
        assert inception_score(LOGITS) == pytest.approx(float(metric.compute()[0]), rel=1e-6)


@each_case
def test_torchmetrics_kid_of_all_clips(generated, real):
    image = pytest.importorskip("torchmetrics.image.kid")
    size = min(len(generated), len(real))
    generated, real = generated[:size], real[:size]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        metric = image.KernelInceptionDistance(
            Passing(generated.shape[1]), subsets=1, subset_size=size
        )
    metric.update(real, real=True)
    metric.update(generated, real=False)
    expected = float(metric.compute()[0])
    assert kernel_distance(generated, real) == pytest.approx(expected, rel=1e-6)


@pytest.fixture(scope="module")
def fidelity():
    """torch-fidelity, where it is installed with a torchvision that fits this torch."""
    try:
        return pytest.importorskip("torch_fidelity")
    except RuntimeError as error:
        pytest.skip(f"torch-fidelity does not import: {error}")


@each_case
def test_torch_fidelity_fid(fidelity, generated, real):
    from torch_fidelity import metric_fid

    statistics = [metric_fid.fid_features_to_statistics(each) for each in (generated, real)]
    expected = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)
    found = frechet_distance(Moments.of(generated), Moments.of(real))
    assert found == pytest.approx(expected["frechet_inception_distance"], rel=1e-6)


def test_torch_fidelity_inception_score(fidelity):
    from torch_fidelity import metric_isc

    expected = metric_isc.isc_features_to_metric(LOGITS, splits=1)["inception_score_mean"]
    assert inception_score(LOGITS) == pytest.approx(expected, rel=1e-6)


@each_case
def test_torch_fidelity_kid_of_all_clips(fidelity, generated, real):
    from torch_fidelity import metric_kid

    size = min(len(generated), len(real))
    generated, real = generated[:size], real[:size]
    expected = metric_kid.kid_features_to_metric(
        generated, real, kid_subsets=1, kid_subset_size=size, verbose=False
    )["kernel_inception_distance_mean"]
    assert kernel_distance(generated, real) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("neighbours", [3, 5])
@each_case
def test_torch_fidelity_precision_and_recall(fidelity, generated, real, neighbours):
    from torch_fidelity import metric_prc

    expected = metric_prc.prc_features_to_metric(
        generated,
        real,
        prc_neighborhood=neighbours,
        prc_batch_size=100,
        save_cpu_ram=False,
        verbose=False,
    )
    found = manifold_scores(generated, real, neighbours)
    np.testing.assert_allclose(
        [found.precision, found.recall], [expected["precision"], expected["recall"]], rtol=1e-6
    )
