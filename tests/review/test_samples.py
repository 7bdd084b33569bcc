"""The picture of a review: clips of two bundles from the same latents, side by side."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence
from reviewed_project import PIPELINE, Project

import dvdgan.cli
from dvdgan.errors import EXIT_USER_ERROR
from dvdgan.export.bundle import BundleSource, write_bundle
from dvdgan.export.sampler import Sampler
from dvdgan.models.architecture import GeneratorArchitecture
from dvdgan.models.generator import Generator
from dvdgan.models.spectral import bake
from dvdgan.review.gather import Prices, Review, gather
from dvdgan.review.markdown import markdown

EXPORT = """
  export:
    cmd: cp -r bundle artifacts/model
    deps: [artifacts/train, bundle]
    outs: [artifacts/model]
"""
CLASSES = ["bend", "jack", "wave"]
SIDE, FRAMES, PAD, SCALE = 32, 4, 2, 3


@pytest.fixture
def project(demo: Project) -> Project:
    demo.write("dvc.yaml", PIPELINE + EXPORT)
    return demo


def give(project: Project, seed: int, classes: list[str] = CLASSES, **changes: int) -> Path:
    """Let the stage export make a bundle of random weights."""
    torch.manual_seed(seed)
    sizes = {"resolution": SIDE, "frames": FRAMES, "channels": 1, "latent_dim": 8}
    architecture = GeneratorArchitecture(**({"classes": len(classes)} | sizes | changes))
    generator = Generator(architecture).eval()
    bake(generator)
    source = BundleSource(architecture, classes, torch.arange(len(classes)), fps=12.5)
    bundle = project.folder / "bundle"
    shutil.rmtree(bundle, ignore_errors=True)
    write_bundle(Sampler(generator, classes, 12.5), source, {}, bundle)
    project.repro()
    return bundle


def drawn(project: Project, base: str) -> Review:
    return gather(project.folder, base, Prices(), draws=True)


def cells(review: Review, rows: int, side: int = SIDE * SCALE) -> np.ndarray:
    """(rows, 4, T, side, side, 3), without captions and padding."""
    assert isinstance(review.samples, bytes)
    frames = ImageSequence.all_frames(Image.open(io.BytesIO(review.samples)))
    pixels = np.stack([np.asarray(frame.convert("RGB")) for frame in frames]).astype(float)
    assert pixels.shape[1] % rows == 0
    below = [pixels.shape[1] // rows * (row + 1) - PAD for row in range(rows)]
    found = [
        pixels[:, bottom - side : bottom, left : left + side]
        for bottom in below
        for left in range(PAD, 4 * (side + PAD), side + PAD)
    ]
    return np.stack(found).reshape(rows, 4, len(pixels), side, side, 3)


def expected(sampler: Sampler, name: str, number: int) -> np.ndarray:
    clip = sampler.sample(torch.tensor([sampler.classes.index(name)]), 0, number)[0]
    return clip.permute(0, 2, 3, 1).numpy().repeat(SCALE, 1).repeat(SCALE, 2).astype(float)


def test_pairs_have_the_same_latent_and_class(project: Project, tmp_path: Path) -> None:
    before = shutil.copytree(give(project, 1), tmp_path / "aside")
    base = project.commit()
    now = give(project, 2)
    found = cells(drawn(project, base), rows=3)
    samplers = [Sampler.load(before), Sampler.load(now)]
    for row, name in enumerate(CLASSES):
        for column in range(4):
            clips = [expected(sampler, name, 2 * row + column // 2) for sampler in samplers]
            same, other = clips[column % 2], clips[1 - column % 2]
            distances = [abs(found[row, column] - each).mean() for each in (same, other)]
            assert distances[0] < 8, "but for 256 colours"
            assert distances[1] > 3 * distances[0]


def test_bundles_of_other_sizes_and_classes_are_shown_beside_each_other(project: Project) -> None:
    give(project, 1, frames=6)
    base = project.commit()
    give(project, 2, ["other", "wave"], resolution=2 * SIDE, latent_dim=16)
    found = cells(drawn(project, base), rows=2, side=128)
    assert found.shape[2] == 6, "the longer one"
    give(project, 2, ["other"])
    assert drawn(project, base).samples == "the two bundles have no class in common"


def test_no_picture_of_a_model_that_did_not_change(project: Project) -> None:
    give(project, 1)
    base = project.commit()
    project.edit("root: data/synthetic", "root: data/again")
    shutil.copy(project.folder / "data/synthetic", project.folder / "data/again")
    project.repro()
    review = drawn(project, base)
    assert "export" in [each.stage for each in review.stages]
    assert review.samples is None
    assert "### Samples" not in markdown(review)


def test_results_of_other_params_are_not_compared(project: Project) -> None:
    project.write("results", '{"generated": {"FVD": {"value": 1}}}')
    give(project, 1)
    base = project.commit()
    project.edit("steps: 600\n", "steps: 610\n")
    comment = markdown(drawn(project, base))
    reason = "dvc.lock does not match its params; run `dvc repro` and commit dvc.lock"
    assert f"### Metrics and samples\n\nNo results of the working tree: {reason}." in comment
    stale = project.commit()
    project.edit("steps: 610\n", "steps: 620\n")
    project.repro()
    assert f"No results of the base: {reason}." in project.comment(stale)


def test_a_bundle_that_is_nowhere_is_named(project: Project) -> None:
    give(project, 1)
    base = project.commit()
    give(project, 2)
    for path in (project.folder / ".dvc/cache/files/md5").iterdir():
        shutil.rmtree(path)
    found = drawn(project, base).samples
    assert isinstance(found, str)
    assert found.startswith("no bundle of the base (artifacts/model/config.json is neither in DVC")
    assert found.endswith("`dvc push` it where it was made")


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["dvdgan", "review", *words])
    try:
        dvdgan.cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_command_writes_the_picture_beside_the_review(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give(project, 1)
    base = project.commit()
    give(project, 2)
    monkeypatch.chdir(project.folder)
    assert command(monkeypatch, base) == 0
    assert "No picture: give `--write FILE.md`" in capsys.readouterr().out
    for _ in range(2):  # an earlier review is replaced
        assert command(monkeypatch, base, "--write", "out/my review.md") == 0
    assert "![Samples before and now](my%20review.gif)" in Path("out/my review.md").read_text()
    assert Path("out/my review.gif").read_bytes().startswith(b"GIF89a")
    Path("notes.gif").write_text("mine")
    assert command(monkeypatch, base, "--write", "notes.md") == EXIT_USER_ERROR
    assert Path("notes.gif").read_text() == "mine"
    assert not Path("notes.md").exists()
