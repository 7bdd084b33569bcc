"""The model card as a hub reads it: YAML front matter, metrics with their protocol, a picture."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from ruamel.yaml import YAML

from dvdgan.export.bundle import BundleSource, write_bundle
from dvdgan.export.card import BundleMetric
from dvdgan.export.sampler import Sampler
from dvdgan.models.architecture import GeneratorArchitecture
from dvdgan.models.generator import Generator
from dvdgan.models.spectral import bake

CLASSES = ["bend: 'a' # b", "wave"]
METRICS = [
    BundleMetric("FVD", "FVD[small_i3d, 64 | clips]", 10.5, (9.0, 12.0)),
    BundleMetric("IS", "IS[small_i3d]", 1e-7),
]


def front_matter(folder: Path) -> dict[str, Any]:
    """As hubs read it: between the first two lines of three dashes."""
    start, matter, _ = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert start == ""
    yaml = YAML(typ="safe")
    yaml.version = (1, 1)  # as PyYAML, which hubs use
    read = yaml.load(matter)
    assert isinstance(read, dict)
    return read


def write(folder: Path, metrics: list[BundleMetric], **changes: int) -> Path:
    sizes = {"classes": 2, "resolution": 32, "frames": 4, "channels": 1, "latent_dim": 8}
    generator = Generator(GeneratorArchitecture(**(sizes | changes))).eval()
    bake(generator)
    source = BundleSource(generator.architecture, CLASSES, torch.tensor([0, 1]), fps=12.5)
    facts = {"training videos": 12}
    write_bundle(Sampler(generator, CLASSES, 12.5), source, facts, folder, metrics)
    return folder


def test_the_front_matter_has_what_a_hub_asks_for(tmp_path: Path) -> None:
    matter = front_matter(write(tmp_path / "bundle", METRICS))
    assert matter["license"] == "other" and matter["license_name"]
    assert matter["library_name"] == "dvdgan"
    assert matter["pipeline_tag"] == "text-to-video"
    assert {"dvd-gan", "video-generation"} <= set(matter["tags"])
    [index] = matter["model-index"]
    [result] = index["results"]
    assert index["name"] and result["task"]["type"] == matter["pipeline_tag"]
    assert result["dataset"] == {"type": "video", "name": "12 videos of 2 classes"}
    assert result["metrics"] == [
        {
            "type": "fvd",
            "name": "FVD[small_i3d, 64 | clips]",
            "value": 10.5,
            "args": {"interval_95": [9.0, 12.0]},
        },
        {"type": "is", "name": "IS[small_i3d]", "value": 1e-7, "args": {"interval_95": None}},
    ]
    text = (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")
    assert "| FVD[small_i3d, 64 \\| clips] | 10.5 | 9 to 12 |" in text


def test_the_picture_is_an_animation_of_each_class(tmp_path: Path) -> None:
    folder = write(tmp_path / "bundle", [])
    assert "](samples.webp)" in (folder / "README.md").read_text(encoding="utf-8")
    with Image.open(folder / "samples.webp") as picture:
        assert picture.n_frames == 4
        assert picture.width == 4 * (96 + 2) + 2
        assert picture.height > 2 * (96 + 2) + 2
    assert "model-index" not in front_matter(folder)


def test_a_prediction_shows_no_training_frames(tmp_path: Path) -> None:
    sizes = {"classes": 0, "conditioning_frames": 2, "encoder_channels": 1}
    folder = write(tmp_path / "bundle", METRICS, **sizes)
    assert front_matter(folder)["pipeline_tag"] == "video-to-video"
    assert not (folder / "samples.webp").exists()
    assert "samples.webp" not in (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_that_is_no_number_is_left_out(tmp_path: Path, value: float) -> None:
    folder = write(tmp_path / "bundle", [BundleMetric("FVD", "FVD[x]", value), METRICS[1]])
    [result] = front_matter(folder)["model-index"][0]["results"]
    assert [each["type"] for each in result["metrics"]] == ["is"]
