"""The bundle: what a user samples from, with torch and safetensors alone."""

import copy
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from dvdgan.export.bundle import (
    BundleSource,
    StandingStatistics,
    trained_sampler,
    untrained_sampler,
    write_bundle,
)
from dvdgan.export.sampler import Sampler
from dvdgan.models.architecture import GeneratorArchitecture
from dvdgan.models.generator import Generator
from dvdgan.storage.local import read_json, sha256_of_tree
from dvdgan.training.ema import update_average

CLASSES = ["bend", "jack", "wave"]
ARCHITECTURE = GeneratorArchitecture(
    classes=3, resolution=32, frames=4, channels=1, latent_dim=8, class_dim=6
)
STANDING = StandingStatistics(batches=3, batch_size=8)
FACTS = {"step": 7, "training run": "0123456789abcdef"}
LABELS = torch.tensor([0, 1, 2, 2, 1])


@pytest.fixture(scope="module")
def origin() -> BundleSource:
    return BundleSource(ARCHITECTURE, CLASSES, torch.tensor([0, 1, 1, 2, 2, 2]), fps=12.5)


@pytest.fixture(scope="module")
def average(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The averaged weights of a checkpoint, some training-mode forwards old."""
    torch.manual_seed(1)
    generator = Generator(ARCHITECTURE).train()
    for parameter in generator.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    for _ in range(5):
        generator(torch.randn(4, 8), torch.tensor([0, 1, 2, 2]))
    path = tmp_path_factory.mktemp("checkpoint") / "average.safetensors"
    save_file(generator.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def bundle(origin: BundleSource, average: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "bundle"
    write_bundle(trained_sampler(average, origin, STANDING), origin, FACTS, folder)
    return folder


ALONE = """
import sys

BLOCKED = {"accelerate", "av", "boto3", "dvc", "evidently", "matplotlib", "pandas", "PIL",
           "prefect", "pyarrow", "pydantic", "ruamel", "simplejpeg", "typer", "webdataset"}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} is not installed here")

sys.meta_path.insert(0, Refuse())
from pathlib import Path
from safetensors.torch import save_file

exec(Path("artifacts/model/README.md").read_text().split("```")[1].removeprefix("python"))
assert videos.shape == (4, 4, 3, 32, 32)
# A part of torch's compiler, which would take half a second to load.
assert "sympy" not in sys.modules
save_file({"videos": sampler.sample(torch.tensor([0, 1, 2, 2, 1]), seed=5)}, sys.argv[1])
"""


def test_the_card_s_code_runs_where_only_torch_and_safetensors_are(
    bundle: Path, average: Path, origin: BundleSource, tmp_path: Path
) -> None:
    written = tmp_path / "videos.safetensors"
    shutil.copytree(bundle, tmp_path / "artifacts" / "model")
    subprocess.run([sys.executable, "-c", ALONE, str(written)], check=True, cwd=tmp_path)
    videos = load_file(written)["videos"]
    assert videos.shape == (5, 4, 3, 32, 32)
    assert videos.dtype == torch.uint8
    # Another process makes the same bits of every video.
    here = trained_sampler(average, origin, STANDING).sample(LABELS, seed=5)
    assert torch.equal(videos, here)
    assert videos.float().std() > 5


def test_a_video_depends_on_its_number_and_label_alone(bundle: Path) -> None:
    sampler = Sampler.load(bundle)
    together = sampler.sample(LABELS, seed=5)
    for number, label in enumerate(LABELS):
        assert torch.equal(sampler.sample(label[None], seed=5, first=number)[0], together[number])
    assert torch.equal(sampler.sample(LABELS[1:4], seed=5, first=1), together[1:4])
    others = LABELS.clone()
    others[[0, 1, 3, 4]] = 0
    assert torch.equal(sampler.sample(others, seed=5)[2], together[2])
    other_seed = sampler.sample(LABELS, seed=6).int() - together.int()
    assert other_seed.abs().amax((1, 2, 3, 4)).min() > 5
    relabelled = sampler.sample((LABELS + 1) % 3, seed=5).int() - together.int()
    assert relabelled.abs().amax((1, 2, 3, 4)).min() > 1


def test_another_number_of_threads_moves_few_levels_and_by_one(bundle: Path) -> None:
    sampler, threads = Sampler.load(bundle), torch.get_num_threads()
    videos = []
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            videos.append(sampler.sample(LABELS, seed=5).int())
    finally:
        torch.set_num_threads(threads)
    moved = (videos[1] - videos[0]).abs()
    assert moved.max() <= 1
    assert moved.float().mean() < 1e-3


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_batch_border_changes_nothing(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    sampler = Sampler.load(bundle)
    whole = sampler.sample(LABELS, seed=5)
    monkeypatch.setattr("dvdgan.export.sampler.BATCH", size)
    batches = list(sampler.stream(LABELS, seed=5))
    assert [len(clips) for clips, _ in batches][:-1] == [size] * (len(batches) - 1)
    assert torch.equal(torch.cat([labels for _, labels in batches]), LABELS)
    assert torch.equal(torch.cat([clips for clips, _ in batches]), whole)


def test_two_exports_give_the_same_bytes(
    bundle: Path, origin: BundleSource, average: Path, tmp_path: Path
) -> None:
    torch.manual_seed(99)
    again = tmp_path / "again"
    write_bundle(trained_sampler(average, origin, STANDING), origin, FACTS, again)
    assert sha256_of_tree(again, "*") == sha256_of_tree(bundle, "*")
    assert str(tmp_path) not in (again / "config.json").read_text()


def test_no_initial_weights_are_made_to_be_overwritten(
    bundle: Path, average: Path, origin: BundleSource
) -> None:
    random = torch.get_rng_state()
    Sampler.load(bundle)
    trained_sampler(average, origin, STANDING)
    assert torch.equal(torch.get_rng_state(), random)


def test_the_bundle_holds_plain_weights_and_says_what_it_is(bundle: Path) -> None:
    weights = load_file(bundle / "generator.safetensors")
    assert not [name for name in weights if "parametrizations" in name]
    config = read_json(bundle / "config.json")
    assert config["generator"] == asdict(ARCHITECTURE)
    assert config["classes"] == CLASSES
    card = (bundle / "README.md").read_text()
    assert all(word in card for word in [*CLASSES, "12.5 frames per", "32 x 32", "step: 7"])


@pytest.mark.parametrize("decay", [0.98, 0.9999])
def test_every_exported_layer_has_a_largest_singular_value_of_one(
    origin: BundleSource, tmp_path: Path, decay: float
) -> None:
    """The vectors of the power iteration in a checkpoint are those of the training weights."""
    torch.manual_seed(4)
    generator = Generator(ARCHITECTURE).train()
    average = copy.deepcopy(generator)
    for _ in range(30):
        for parameter in generator.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
        generator(torch.randn(2, 8), torch.tensor([0, 2]))
        update_average(average, generator, decay)
    path = tmp_path / "average.safetensors"
    save_file(average.state_dict(), path)
    write_bundle(trained_sampler(path, origin, STANDING), origin, FACTS, tmp_path / "bundle")
    weights = {
        name: tensor.double().reshape(len(tensor), -1)
        for name, tensor in load_file(tmp_path / "bundle" / "generator.safetensors").items()
        if name.endswith(".weight") and tensor.ndim > 1 and name != "class_embedding.weight"
    }
    assert len(weights) > 30
    for name, weight in weights.items():
        assert torch.linalg.svdvals(weight)[0].item() == pytest.approx(1, abs=1e-3), name


def test_standing_statistics_follow_the_data_s_classes(average: Path, origin: BundleSource) -> None:
    """The statistics of the first norm, from latents and labels drawn as documented."""
    only_one = BundleSource(ARCHITECTURE, CLASSES, torch.tensor([2]), 12.5)
    first, second = (
        trained_sampler(average, each, STANDING).generator.stages[0].keep.norm1.norm.norm
        for each in (origin, only_one)
    )
    assert not torch.allclose(first.running_mean, second.running_mean, atol=1e-4)
    assert first.num_batches_tracked.item() == STANDING.batches


def test_weights_that_are_not_finite_are_refused(
    average: Path, origin: BundleSource, tmp_path: Path
) -> None:
    weights = load_file(average)
    weights["output.bias"][1] = float("nan")
    save_file(weights, tmp_path / "broken.safetensors")
    sampler = trained_sampler(tmp_path / "broken.safetensors", origin, STANDING)
    with pytest.raises(FloatingPointError, match="not finite"):
        sampler.sample(LABELS, seed=0)


def test_the_untrained_generator_is_always_the_same(origin: BundleSource) -> None:
    first = untrained_sampler(origin, STANDING).sample(LABELS, seed=1)
    torch.manual_seed(123)
    assert torch.equal(untrained_sampler(origin, STANDING).sample(LABELS, seed=1), first)


def test_a_bundle_of_version_0_1_gives_the_videos_it_gave_then() -> None:
    """The bundle and its videos are of version 0.1, with two classes and one thread."""
    folder = Path(__file__).parent / "bundle_0_1"
    sampler = Sampler.load(folder)
    assert sampler.classes == ["bend", "wave"] and sampler.fps == 12.5
    videos = sampler.sample(torch.tensor([0, 1]), seed=5)
    expected = load_file(folder / "videos.safetensors")["videos"]
    assert videos.shape == expected.shape == (2, 4, 3, 32, 32)
    # Another machine may differ in the last bit before rounding.
    assert (videos.int() - expected.int()).abs().max() <= 1
