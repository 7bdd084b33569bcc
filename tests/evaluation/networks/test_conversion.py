"""Conversion: every published layout gives the same network; anything else is named and refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from published_weights import write_checkpoint

from dvdgan.errors import UserError
from dvdgan.evaluation.networks import c3d
from dvdgan.evaluation.networks.catalogue import CATALOGUE, HUB_EPSILON
from dvdgan.evaluation.networks.conversion import WHITE_TO_BLACK, convert
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.networks.i3d import I3D
from dvdgan.evaluation.networks.i3d_layouts import HASSONY, PIERGIAJ, TENSORFLOW
from dvdgan.storage.local import read_json, sha256_of_file

K400, K600 = CATALOGUE["i3d_k400"], CATALOGUE["i3d_k600"]


def unit_weights(classes):
    """TensorFlow's tensors with made-up values."""
    generator = np.random.default_rng(0)
    return {
        name: generator.uniform(0.5, 1.5, shapes[0]).astype(np.float32)
        for name, shapes in TENSORFLOW.expected(classes).items()
    }


def in_layout(layout, tensors):
    """The same weights as a PyTorch port names them, with a gain of one."""
    state = {
        layout.logits_weight: tensors[TENSORFLOW.logits_weight].transpose(4, 3, 0, 1, 2),
        layout.logits_bias: tensors[TENSORFLOW.logits_bias],
    }
    for unit, name in layout.units().items():
        theirs = TENSORFLOW.units()[unit]
        kernel = tensors[TENSORFLOW.weight.format(theirs)]
        state[layout.weight.format(name)] = kernel.transpose(4, 3, 0, 1, 2)
        for leaf in ("offset", "mean", "variance"):
            array = tensors[getattr(TENSORFLOW, leaf).format(theirs)]
            state[getattr(layout, leaf).format(name)] = array
        state[layout.gain.format(name)] = np.ones_like(array)
        steps = layout.gain.format(name).replace("weight", "num_batches_tracked")
        state[steps] = np.float32(7).reshape(())
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in state.items()}


@pytest.fixture(scope="module")
def tensors():
    return unit_weights(400)


@pytest.fixture(scope="module")
def expected(tensors):
    return TENSORFLOW.folded(tensors, epsilon=1e-3)


@pytest.mark.parametrize(
    ("layout", "file", "some_names"),
    [
        (PIERGIAJ, "rgb_imagenet.pt", ["Mixed_5b.b2b.bn.running_var", "logits.conv3d.bias"]),
        (
            HASSONY,
            "model_rgb.pth",
            ["mixed_5c.branch_1.0.batch3d.bias", "conv3d_0c_1x1.conv3d.bias"],
        ),
    ],
    ids=["piergiaj", "hassony2"],
)
def test_a_port_gives_the_same_network(tmp_path, tensors, expected, layout, file, some_names):
    state = in_layout(layout, tensors)
    assert state.keys() >= set(some_names)
    torch.save(state, tmp_path / file)
    lines = convert(K400, tmp_path / file, tmp_path / "made")
    assert f"layout: {layout.title}" in lines
    assert "no published output of this network is known to check it" in lines
    network = FeatureNetwork.load(tmp_path / "made").network
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, expected[name]), name
    source = read_json(tmp_path / "made" / "config.json")["source"]
    assert source["sha256"] == sha256_of_file(tmp_path / file)
    assert (source["file"], source["epsilon"]) == (file, 1e-3)


def test_folding_is_batch_norm():
    torch.manual_seed(0)
    convolution = torch.nn.Conv3d(3, 64, 7, bias=False)
    norm = torch.nn.BatchNorm3d(64, eps=1e-3).eval()
    for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
        tensor.uniform_(0.5, 2)
    tensors = {name: shape[0] for name, shape in PIERGIAJ.expected(5).items()}
    tensors = {name: np.ones(shape, np.float32) for name, shape in tensors.items()}
    for name, value in {
        "conv3d.weight": convolution.weight.detach(),
        "bn.weight": norm.weight.detach(),
        "bn.bias": norm.bias.detach(),
        "bn.running_mean": norm.running_mean,
        "bn.running_var": norm.running_var,
    }.items():
        tensors[f"Conv3d_1a_7x7.{name}"] = value.numpy()
    network = I3D(5)
    network.load_state_dict(PIERGIAJ.folded(tensors, epsilon=1e-3))
    clip = torch.randn(1, 3, 8, 9, 9)
    found = network.conv_1a.conv(clip)
    plain = torch.nn.functional.conv3d(clip, convolution.weight, stride=2)
    torch.testing.assert_close(found, norm(plain), rtol=1e-5, atol=1e-5)


def test_an_unknown_pytorch_file_needs_its_epsilon_said(tmp_path, tensors):
    torch.save(in_layout(PIERGIAJ, tensors), tmp_path / "mine.pt")
    with pytest.raises(UserError, match="epsilon is not known"):
        convert(K400, tmp_path / "mine.pt", tmp_path / "made")
    assert not (tmp_path / "made").exists()
    convert(K400, tmp_path / "mine.pt", tmp_path / "made", epsilon=0.5)
    found = FeatureNetwork.load(tmp_path / "made").network.state_dict()
    expected = TENSORFLOW.folded(tensors, epsilon=0.5)
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_weights_of_the_hub_are_checked_by_their_published_output(tmp_path, tensors):
    """These made-up ones are not: refused, and nothing written."""
    torch.save(in_layout(PIERGIAJ, tensors), tmp_path / "i3d_pretrained_400.pt")
    with pytest.raises(UserError, match="differs from the published one") as caught:
        convert(K400, tmp_path / "i3d_pretrained_400.pt", tmp_path / "made")
    assert str(WHITE_TO_BLACK)[:5] in caught.value.where
    assert not (tmp_path / "made").exists()
    assert K400.sources[0].epsilon == HUB_EPSILON


def test_everything_that_is_wrong_is_said_at_once(tmp_path, tensors):
    state = in_layout(PIERGIAJ, tensors)
    del state["Mixed_3b.b0.bn.bias"]
    state["extra.weight"] = torch.zeros(2)
    state["Conv3d_2b_1x1.conv3d.weight"] = torch.zeros(64, 64, 3, 1, 1)
    torch.save(state, tmp_path / "rgb_imagenet.pt")
    with pytest.raises(UserError, match="3 tensors differ") as caught:
        convert(K400, tmp_path / "rgb_imagenet.pt", tmp_path / "made")
    assert "missing: Mixed_3b.b0.bn.bias" in caught.value.where
    assert "unexpected: extra.weight" in caught.value.where
    assert "(64, 64, 3, 1, 1) instead of (64, 64, 1, 1, 1)" in caught.value.where


def test_k600_with_optimiser_slots_and_broad_batch_norms(tmp_path):
    """As rgb_scratch_kin600: no scope, [1, 1, 1, 1, C], a Momentum slot for each."""
    tensors = unit_weights(600)
    broad = {
        name: array.reshape(1, 1, 1, 1, -1) if "batch_norm" in name else array
        for name, array in tensors.items()
    }
    slots = {f"{name}/Momentum": np.zeros(1, np.float32) for name in tensors}
    write_checkpoint(tmp_path / "model.ckpt", broad | slots)
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"class {number}\n" for number in range(600)), encoding="utf-8")
    convert(K600, tmp_path / "model.ckpt.index", tmp_path / "i3d_k600", labels=labels)
    found = FeatureNetwork.load(tmp_path / "i3d_k600")
    assert (found.name, found.classes[599]) == ("i3d_k600", "class 599")
    expected = TENSORFLOW.folded(tensors, epsilon=1e-3)
    state = found.network.state_dict()
    assert all(torch.equal(state[name], expected[name]) for name in state)
    with pytest.raises(UserError, match="2 tensors differ"):  # the logits'
        convert(K400, tmp_path, tmp_path / "i3d_k400")
    labels.write_text("one\n", encoding="utf-8")
    with pytest.raises(UserError, match="600 classes, but the file lists 1"):
        convert(K600, tmp_path, tmp_path / "again", labels=labels)


def test_a_pickle_that_is_no_state_dict_is_not_run(tmp_path):
    class Dangerous:
        def __reduce__(self):
            return print, ("run",)

    torch.save({"weight": Dangerous()}, tmp_path / "rgb_imagenet.pt")
    with pytest.raises(UserError, match="not a plain file of tensors"):
        convert(K400, tmp_path / "rgb_imagenet.pt", tmp_path / "made")
    torch.save([1, 2], tmp_path / "rgb_imagenet.pt")
    with pytest.raises(UserError, match="not a state dict"):
        convert(K400, tmp_path / "rgb_imagenet.pt", tmp_path / "made")
    with pytest.raises(UserError, match="the file does not exist"):
        convert(K400, tmp_path / "nothing.pt", tmp_path / "made")


class Program(torch.nn.Module):
    """A program with the signature of i3d_torchscript.pt, and its answer to white and black."""

    def __init__(self):
        super().__init__()
        self.gain = torch.nn.Parameter(torch.tensor((133.70 / 400) ** 0.5))

    def forward(
        self, x, rescale: bool = False, resize: bool = False, return_features: bool = False
    ):
        assert rescale and resize and return_features
        return (x / 255 * self.gain).mean(dim=(1, 2, 3, 4)).unsqueeze(1).repeat(1, 400)


def test_torchscript_is_kept_as_it_is_and_run_only_when_it_is_the_published_one(
    tmp_path, monkeypatch
):
    file = tmp_path / "i3d_torchscript.pt"
    torch.jit.script(Program()).save(str(file))
    known = CATALOGUE["i3d_torchscript"]
    with pytest.raises(UserError, match="not the published TorchScript"):
        convert(known, file, tmp_path / "made")
    same = replace(known.sources[0], identity=sha256_of_file(file))
    monkeypatch.setitem(CATALOGUE, known.name, replace(known, sources=(same,)))
    lines = convert(CATALOGUE[known.name], file, tmp_path / "made")
    assert lines[-1].startswith("white to black 133.70")
    kept = tmp_path / "made" / "network.pt"
    assert kept.read_bytes() == file.read_bytes()
    network = FeatureNetwork.load(tmp_path / "made")
    clips = torch.full((2, 9, 3, 16, 16), 51, dtype=torch.uint8)
    pooled, logits = network(clips)
    torch.testing.assert_close(logits, torch.full((2, 400), 0.2 * (133.70 / 400) ** 0.5))
    assert torch.equal(pooled, logits)
    monkeypatch.setitem(CATALOGUE, known.name, known)
    with pytest.raises(UserError, match="not the published TorchScript"):
        FeatureNetwork.load(tmp_path / "made")
    kept.write_bytes(kept.read_bytes() + b" ")
    with pytest.raises(UserError, match="is not the file"):
        FeatureNetwork.load(tmp_path / "made")


def test_c3d_comes_from_chainer_names_and_a_mean_clip(tmp_path, monkeypatch):
    """With fewer hidden units: tests/evaluation/networks/test_c3d.py has the published sizes."""
    monkeypatch.setattr(c3d, "HIDDEN", 64)
    shapes = {
        "conv1a": (64, 3, 3, 3, 3),
        "conv2a": (128, 64, 3, 3, 3),
        "conv3a": (256, 128, 3, 3, 3),
        "conv3b": (256, 256, 3, 3, 3),
        "conv4a": (512, 256, 3, 3, 3),
        "conv4b": (512, 512, 3, 3, 3),
        "conv5a": (512, 512, 3, 3, 3),
        "conv5b": (512, 512, 3, 3, 3),
        "fc6": (64, 8192),
        "fc7": (64, 64),
        "fc8": (101, 64),
    }
    arrays = {}
    for place, (layer, shape) in enumerate(shapes.items()):
        arrays[f"{layer}/W"] = np.full(shape, place, np.float32)
        arrays[f"{layer}/b"] = np.full(shape[0], -place, np.float32)
    source, mean = tmp_path / "conv3d_deepnetA_ucf.npz", tmp_path / "mean2.npz"
    np.savez(source, **arrays)
    clip = np.arange(3 * 16 * 128 * 171, dtype=np.float32).reshape(3, 16, 128, 171)
    np.savez(mean, mean=clip)
    known = CATALOGUE["c3d_ucf101"]
    with pytest.raises(UserError, match="mean clip"):
        convert(known, source, tmp_path / "made")
    with pytest.raises(UserError, match="does not hold a mean clip"):
        convert(known, source, tmp_path / "made", mean=source)
    convert(known, source, tmp_path / "made", mean=mean)
    state = FeatureNetwork.load(tmp_path / "made").network.state_dict()
    assert torch.all(state["convolutions.conv3b.weight"] == 3)
    assert torch.all(state["fc8.bias"] == -10)
    # Columns 21..149 of 171, then the crop at 8.
    assert np.array_equal(state["mean"].numpy(), clip[:, :, 8:120, 29:141])
