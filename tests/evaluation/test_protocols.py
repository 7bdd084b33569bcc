"""Protocols: what they fix, and which runs they cannot measure."""

from typing import get_args

import pytest

from dvdgan.evaluation.networks.catalogue import CATALOGUE
from dvdgan.evaluation.networks.feature_network import BUILD, TORCHSCRIPT
from dvdgan.evaluation.networks.i3d import I3D
from dvdgan.evaluation.networks.resize import RULES
from dvdgan.protocols import (
    LOGITS,
    POOLED,
    PROTOCOLS,
    TRAINED,
    ProtocolName,
    incompatibilities,
    unmet_requirements,
)


def test_each_has_a_network_a_rule_and_layers_that_exist():
    assert set(get_args(ProtocolName)) == PROTOCOLS.keys()
    for protocol in PROTOCOLS.values():
        assert protocol.network in BUILD.keys() | {TORCHSCRIPT}
        assert protocol.network in CATALOGUE.keys() | set(TRAINED)
        assert protocol.resize in RULES
        assert set(protocol.layers.values()) <= {POOLED, LOGITS}
        assert protocol.source
    for name in ("dvdgan_fid_is", "unterthiner_fvd"):
        assert PROTOCOLS[name].fewest_frames == I3D.fewest_frames


def test_the_papers_are_as_the_papers_have_them():
    """DVD-GAN 2.5 and 4.1: FID of average-pool features of I3D on Kinetics-600, IS of its logits;
    FVD of logits of I3D on Kinetics-400; UCF-101 by TGAN's C3D over four sets."""
    paper, fvd, tgan = (PROTOCOLS[name] for name in ("dvdgan_fid_is", "unterthiner_fvd", "tgan_is"))
    assert (paper.network, paper.layers) == ("i3d_k600", {"FID": POOLED, "IS": LOGITS})
    assert (fvd.network, fvd.resize, fvd.layers) == ("i3d_k400", "bilinear_legacy", {"FVD": LOGITS})
    assert (tgan.network, tgan.frames, tgan.fewest_clips, tgan.sets) == ("c3d_ucf101", 16, 9984, 4)
    assert PROTOCOLS["prediction_fvd"].frames == 16


def test_alone_each_needs_no_other():
    assert unmet_requirements("dvdgan_fid_is", 12, 0, 10_000) == []
    assert unmet_requirements("tgan_is", 16, 0, 9984) == []
    [reason] = unmet_requirements("prediction_fvd", 16, 5, 255)
    assert "needs at least 256 generated clips, not 255" in reason


@pytest.mark.parametrize(
    ("names", "frames", "given", "samples", "reasons"),
    [
        (["self_trained"], 8, 0, 64, []),
        (["self_trained"], 8, 2, 64, []),
        (["self_supervised"], 8, 0, 64, []),
        (["self_supervised"], 3, 1, 64, []),
        (["self_supervised"], 2, 1, 64, ["self_supervised measures clips of 3 frames or more"]),
        (["prediction_fvd", "self_supervised"], 16, 1, 999, ["FVD is measured by two of them"]),
        (["unterthiner_fvd", "dvdgan_fid_is"], 12, 0, 10_000, []),
        (["unterthiner_fvd", "tgan_is"], 16, 0, 9984, []),
        (["prediction_fvd"], 16, 5, 2048, []),
        (["self_trained", "unterthiner_fvd"], 16, 0, 999, ["FVD is measured by two of them"]),
        (["dvdgan_fid_is"], 12, 0, 9999, ["by FVD, which dvdgan_fid_is does not measure"]),
        (["unterthiner_fvd"], 8, 0, 999, ["measures clips of 9 frames or more"]),
        (["prediction_fvd"], 12, 5, 999, ["measures clips of 16 frames, not 12"]),
        (["prediction_fvd"], 16, 0, 999, ["measures models that continue given frames"]),
        (["unterthiner_fvd"], 16, 5, 999, ["measures models that continue no given frames"]),
        (["unterthiner_fvd"], 16, 0, 255, ["needs at least 256 generated clips, not 255"]),
        (
            ["unterthiner_fvd", "tgan_is"],
            12,
            0,
            100,
            ["not 12", "needs at least 256 generated", "tgan_is needs at least 9,984"],
        ),
    ],
)
def test_reasons_against_a_combination_are_listed(names, frames, given, samples, reasons):
    found = incompatibilities(names, frames, given, samples)
    for reason in reasons:
        assert any(reason in line for line in found), found
    assert bool(found) == bool(reasons)
