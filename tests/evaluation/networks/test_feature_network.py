"""Feature networks: refused clips, resize rules, and the error for missing weights."""

from pathlib import Path

import pytest
import torch

from dvdgan.cli import app
from dvdgan.errors import UserError
from dvdgan.evaluation.networks.catalogue import CATALOGUE, RGB_SCRATCH_KIN600
from dvdgan.evaluation.networks.clip_network import Activations, ClipNetwork
from dvdgan.evaluation.networks.feature_network import BUILD, TORCHSCRIPT, FeatureNetwork
from dvdgan.evaluation.networks.resize import resize


class Levels(ClipNetwork):
    """Says the levels it is given."""

    value_range = "0..255"
    size = 8
    fewest_frames = 3

    def __init__(self):
        super().__init__()
        self.one = torch.nn.Parameter(torch.ones(1))

    def forward(self, clips):
        return Activations(clips.flatten(1) * self.one, clips.flatten(1))


def network(rule):
    return FeatureNetwork("levels", Levels(), ["only"], "ab" * 32, None, rule)


def clips(frames=3, height=6, width=5):
    return torch.randint(0, 256, (2, frames, 3, height, width), dtype=torch.uint8)


def test_levels_reach_the_network_resized_by_the_rule():
    given = clips()
    for rule in ("bilinear", "bilinear_legacy", "bicubic"):
        expected = resize(given.float(), 8, rule).flatten(1)
        assert torch.equal(network(rule)(given).pooled, expected), rule
    given = clips(height=8, width=8)
    assert torch.equal(network("none")(given).pooled, given.float().flatten(1))


def test_too_few_frames_and_a_size_nobody_resizes_are_refused():
    with pytest.raises(UserError, match="at least 3 frames; these have 2"):
        network("bilinear")(clips(frames=2))
    with pytest.raises(UserError, match="8x8 px; these clips are 5x6") as caught:
        network("none")(clips())
    assert "bilinear_legacy" in caught.value.todo


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_missing_network_says_what_to_get_and_what_to_type(tmp_path, name):
    with pytest.raises(UserError, match=f"weights of {name} are missing") as caught:
        FeatureNetwork.load(tmp_path / name)
    source = CATALOGUE[name].sources[0]
    for word in (source.file, source.url, source.size, source.identity, f"dvdgan convert {name} "):
        assert word in caught.value.todo
    assert name in BUILD or name == TORCHSCRIPT


def verb(*words):
    with pytest.raises(SystemExit) as ended:
        app(["convert", *words])
    return ended.value.code


def test_the_verb_lists_every_network(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("weights/i3d_k600").mkdir(parents=True)
    Path("weights/i3d_k600/config.json").write_text("{}", encoding="utf-8")
    assert verb() == 0
    output = capsys.readouterr().out
    assert "i3d_k600: DVD-GAN's FID and IS (600 classes), in weights/i3d_k600" in output
    assert output.count("not converted here") == len(CATALOGUE) - 1
    assert RGB_SCRATCH_KIN600 in output
    for network in CATALOGUE.values():
        assert network.command in output


def test_the_verb_refuses_what_it_does_not_know(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="unknown network i3d"):
        app(["convert", "i3d", "x.pt"])
    with pytest.raises(UserError, match="weights of i3d_k400 are missing"):
        app(["convert", "i3d_k400"])
