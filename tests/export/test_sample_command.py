"""`dvdgan sample`: the requested videos, a row per class, and errors for what is not possible."""

import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import dvdgan.cli
from dvdgan.errors import EXIT_USER_ERROR
from dvdgan.export.bundle import BundleSource, write_bundle
from dvdgan.export.sampler import Sampler
from dvdgan.models.architecture import GeneratorArchitecture
from dvdgan.models.generator import Generator
from dvdgan.models.latent import Truncation
from dvdgan.models.spectral import bake
from dvdgan.video.decode import frames
from dvdgan.video.grid import GIVEN

CLASSES = ["bend", "jack", "wave"]
SIDE, T, C = 32, 4, 2
PLAIN = "--no-captions"


def write(folder: Path, **changes: int) -> Path:
    torch.manual_seed(1)
    sizes = {"classes": 3, "resolution": SIDE, "frames": T, "channels": 1, "latent_dim": 8}
    architecture = GeneratorArchitecture(**(sizes | changes))
    generator = Generator(architecture).eval()
    bake(generator)
    origin = BundleSource(architecture, CLASSES, torch.tensor([0, 1, 2]), fps=12.5)
    write_bundle(Sampler(generator, CLASSES, 12.5), origin, {}, folder)
    return folder


@pytest.fixture(scope="module")
def synthesis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("synthesis") / "bundle")


@pytest.fixture(scope="module")
def prediction(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prediction") / "bundle"
    return write(folder, classes=0, conditioning_frames=C, encoder_channels=1)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["dvdgan", "sample", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        dvdgan.cli.main()
    return int(ended.value.code or 0)


def cells(rows: int) -> np.ndarray:
    """The strip's pictures: (rows, T, SIDE, SIDE, 3)."""
    strip = np.asarray(Image.open("samples/samples.png"))
    assert strip.shape == (rows * (SIDE + 2) + 2, T * (SIDE + 2) + 2, 3)
    inner = strip[2:, 2:].reshape(rows, SIDE + 2, T, SIDE + 2, 3)
    return inner[:, :SIDE, :, :SIDE].transpose(0, 2, 1, 3, 4)


def expected(clips: torch.Tensor) -> np.ndarray:
    return clips.permute(0, 1, 3, 4, 2).numpy()


def test_a_row_a_class(monkeypatch: pytest.MonkeyPatch, synthesis: Path) -> None:
    words = ["--class", "wave", "--class", "bend", "--count", 2, "--seed", 5, PLAIN]
    assert run(monkeypatch, synthesis, *words, "--truncation", 0.44) == 0
    sampler = Sampler.load(synthesis)
    for row, label in enumerate((2, 0)):
        made = sampler.sample(torch.tensor([label] * 2), 5, truncation=Truncation(0.44))
        assert (cells(4)[2 * row : 2 * row + 2] == expected(made)).all()
    with av.open("samples/samples.mp4") as video:
        assert video.streams.video[0].frames == T


def test_the_other_reading_of_truncation(monkeypatch: pytest.MonkeyPatch, synthesis: Path) -> None:
    words = ["--class", "jack", "--count", 1, "--truncation", 0.44, "--resampled", PLAIN]
    assert run(monkeypatch, synthesis, *words) == 0
    truncation = Truncation(0.44, "resampled")
    made = Sampler.load(synthesis).sample(torch.tensor([1]), 0, truncation=truncation)
    assert (cells(1) == expected(made)).all()


def test_between_two_classes_and_two_latents(
    monkeypatch: pytest.MonkeyPatch, synthesis: Path
) -> None:
    sampler = Sampler.load(synthesis)
    words = ["--class", "bend", "--class", "wave", "--count", 3, PLAIN]
    assert run(monkeypatch, synthesis, "--between", "classes", *words) == 0
    assert (cells(3) == expected(sampler.interpolate_classes((0, 2), 0, 0, 3))).all()
    assert run(monkeypatch, synthesis, "--between", "latents", *words) == 0
    assert (cells(6)[3:] == expected(sampler.interpolate_latents(2, 0, (0, 1), 3))).all()


def test_a_video_file_is_continued(
    monkeypatch: pytest.MonkeyPatch, prediction: Path, synthetic_videos: Path
) -> None:
    video = next(synthetic_videos.glob("*/*.mp4"))
    assert run(monkeypatch, prediction, "--start", video, "--count", 2, PLAIN) == 0
    strip = np.asarray(Image.open("samples/samples.png"))
    assert (strip[:, 0] == GIVEN).all()
    begun = [frame for frame, _ in zip(frames(video), range(C), strict=False)]
    for row in cells(2):
        for made, source in zip(row[:C], begun, strict=True):
            half = source.reshape(SIDE, 2, SIDE, 2, 3).mean(axis=(1, 3))  # 64 x 64 -> 32 x 32
            assert abs(made - half).mean() < 12
    assert (cells(2)[0, C:] != cells(2)[1, C:]).any()


def test_samples_are_replaced_until_something_else_lies_beside_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], synthesis: Path
) -> None:
    words = ["--class", "jack", "--count", 1]
    assert run(monkeypatch, synthesis, *words) == 0
    first = Path("samples/samples.png").read_bytes()
    assert run(monkeypatch, synthesis, *words, "--seed", 1) == 0
    second = Path("samples/samples.png").read_bytes()
    assert second != first
    Path("samples/thesis.tex").write_text("years")
    assert run(monkeypatch, synthesis, *words) == EXIT_USER_ERROR
    assert "changed since: thesis.tex" in capsys.readouterr().err
    assert Path("samples/samples.png").read_bytes() == second
    assert Path("samples/thesis.tex").read_text() == "years"


def test_what_cannot_be_done_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    synthesis: Path,
    prediction: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    save_file({"x": torch.zeros(1)}, tmp_path / "generator.safetensors")
    before = [path.name for path in tmp_path.iterdir()]
    for words, message in [
        ([tmp_path], "config.json is missing"),
        ([tmp_path, "--truncation", "inf"], "above 0, at most 10, but is inf"),
        ([tmp_path, "--truncation", "nan"], "above 0, at most 10, but is nan"),
        ([tmp_path, "--truncation", "-1"], "above 0, at most 10, but is -1"),
        ([tmp_path, "--truncation", "1000"], "where: --truncation"),
        ([synthesis, "--class", "wafe"], "has no class 'wafe'"),
        ([synthesis, "--between", "seeds"], "--between is 'seeds'"),
        (
            [synthesis, "--between", "classes", "--class", "wave"],
            "between classes needs two classes",
        ),
        ([prediction], "give a video: --start VIDEO"),
        ([prediction, "--start", "text.mp4"], "text.mp4 cannot be read"),
        ([prediction, "--start", "missing.mp4"], "missing.mp4 cannot be read"),
        ([synthesis, "--start", "text.mp4"], "cannot continue a video"),
        ([prediction, "--start", "text.mp4", "--class", "wave"], "has no classes"),
        ([synthesis, "--write", "samples.avi"], "not written as .avi"),
        ([synthesis, "--each", "avi"], "choose mp4, gif, webp, png, npy, npz"),
        ([synthesis, "--each", "gif", "--write", "x.gif"], "use a folder for --write"),
        ([synthesis, "--write", "x.npy", "--scale", 2], ".npy holds the videos as the model"),
        ([synthesis, "--seeds", "9-0"], "give two numbers"),
        ([synthesis, "--seeds", "0"], "give two numbers"),
        ([synthesis, "--seeds", f"0-{10**18}"], "of at most 18 digits"),
        ([synthesis, "--seeds", f"0-{10**18 - 1}"], "more than the 4,096"),
        ([synthesis, "--each", "gif", "--grid", 3], "--each writes a file for each video"),
        ([synthesis, "--write", "x.png", "--in-turn"], ".png has a row for each video"),
        ([synthesis, "--seeds", "0-3", "--count", 2], "leave out --seed, --count"),
        ([synthesis, "--seeds", "0-5000"], "more than the 4,096"),
        ([synthesis, "--between", "latents", "--count", 1], "at least 2 steps"),
        ([synthesis, "--through", 3], "--through requires --between latents"),
        ([synthesis, "--resampled"], "--resampled requires --truncation"),
        (
            [synthesis, "--class", "wave", "--count", 32, "--scale", 16],
            "choose fewer clips, a smaller --scale",
        ),
    ]:
        assert run(monkeypatch, *words) == EXIT_USER_ERROR, words
        assert message in capsys.readouterr().err
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(before)
