"""`dvdgan sample --write FILE` and `--each`: what the files hold, read by other programs."""

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from test_sample_command import CLASSES, SIDE, C, T, run, write

from dvdgan.data.sources.array_file import ArrayFile
from dvdgan.errors import EXIT_USER_ERROR
from dvdgan.export.sample_grid import CaptionedClips, SampleGrid
from dvdgan.export.sampler import Sampler
from dvdgan.video.grid import BACKGROUND

WAVE = CLASSES.index("wave")


@pytest.fixture(scope="module")
def synthesis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("synthesis") / "bundle")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def wave(bundle: Path, count: int = 1, seed: int = 0) -> np.ndarray:
    """uint8 (count, T, SIDE, SIDE, 3), from the sampler itself."""
    clips = Sampler.load(bundle).sample(torch.tensor([WAVE] * count), seed)
    return clips.permute(0, 1, 3, 4, 2).numpy()


def shown(path: Path | str) -> np.ndarray:
    """(frames, H, W, 3) of a video or an animation."""
    if Path(path).suffix == ".mp4":
        with av.open(str(path)) as video:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])
    with Image.open(path) as image:
        found = []
        for number in range(image.n_frames):
            image.seek(number)
            found.append(np.asarray(image.convert("RGB")))
    return np.stack(found)


@pytest.mark.parametrize("ending", ["mp4", "gif", "webp"])
def test_a_single_clip_is_nothing_but_the_clip(
    monkeypatch: pytest.MonkeyPatch, synthesis: Path, ending: str
) -> None:
    words = ["--class", "wave", "--count", 1, "--scale", 2, "--write", f"clip.{ending}"]
    assert run(monkeypatch, synthesis, *words) == 0
    made = shown(f"clip.{ending}")
    expected = np.kron(wave(synthesis)[0], np.ones((1, 2, 2, 1), np.uint8))
    assert made.shape == expected.shape
    assert np.abs(made.astype(int) - expected).mean() < 6  # they are lossy


def test_arrays_are_the_model_s_own_pixels_and_are_read_by_evaluate(
    monkeypatch: pytest.MonkeyPatch, synthesis: Path
) -> None:
    words = ["--class", "wave", "--class", "bend", "--count", 2]
    for name in ("clips.npy", "clips.npz"):
        assert run(monkeypatch, synthesis, *words, "--write", name) == 0
        read = ArrayFile(Path(name)).read(0, 4)
        assert (read.clips[:2].permute(0, 1, 3, 4, 2).numpy() == wave(synthesis, 2)).all()
    assert read.labels.tolist() == [2, 2, 0, 0]
    with np.load("clips.npz", allow_pickle=False) as arrays:
        assert arrays["fps"] == 12.5
        assert (arrays["clips"] == np.load("clips.npy")).all()


def test_a_strip_has_captions_and_a_grid_its_columns(
    monkeypatch: pytest.MonkeyPatch, synthesis: Path
) -> None:
    words = [synthesis, "--class", "wave", "--count", 5, "--scale", 4]
    grid = [*words, "--grid", 3]
    assert run(monkeypatch, *grid, "--no-captions", "--write", "grid.webp") == 0
    frame = shown("grid.webp")[0]
    cell = 4 * SIDE + 2
    assert frame.shape == (2 * cell + 2, 3 * cell + 2, 3)
    empty = frame[cell + 2 : -2, 2 * cell + 2 :].astype(int)
    assert (abs(empty - BACKGROUND) < 30).all()  # no sixth video
    assert run(monkeypatch, *grid, "--write", "captions.webp") == 0
    captioned = shown("captions.webp")[0]
    extra = (captioned.shape[0] - frame.shape[0] - 2) // 2
    assert 8 < extra < 24
    bar = captioned[:extra]
    assert np.median(bar) > 240  # black letters on white
    assert bar[:, :cell].min() < 60 and bar[:, cell:].min() > 200  # once for the row
    assert run(monkeypatch, *words, "--write", "strip.png") == 0
    strip = shown("strip.png")[0]
    assert strip.shape == (5 * (cell + 2 + extra), T * cell + 2, 3)
    rows = strip.reshape(5, cell + 2 + extra, -1, 3)[:, extra + 2 : extra + cell, 2:]
    made = rows.reshape(5, cell - 2, T, cell, 3)[:, ::4, :, : cell - 2 : 4].transpose(0, 2, 1, 3, 4)
    assert (made == wave(synthesis, 5)).all()


def test_neighbours_share_a_caption_that_one_of_them_has_no_room_for() -> None:
    clips = torch.zeros(3, 1, 3, SIDE, SIDE, dtype=torch.uint8)
    ink = {}
    for second in ("a long name", "b"):
        samples = CaptionedClips(clips, ["a long name", second, "c"], [0, 0, 0], fps=8)
        [frame] = SampleGrid(columns=3).frames(samples)
        ink[second] = (frame[:8] < 128).any(axis=(0, 2))
    gap = slice(SIDE + 2 + 8, 2 * (SIDE + 2))
    assert ink["a long name"][gap].any() and not ink["b"][gap].any()
    assert all(each[2 * (SIDE + 2) :].any() for each in ink.values())


def test_seeds_are_video_0_of_each_in_files_of_their_own(
    monkeypatch: pytest.MonkeyPatch, synthesis: Path
) -> None:
    words = [synthesis, "--class", "wave", "--seeds", "4-6", "--each"]
    assert run(monkeypatch, *words, "npy") == 0
    assert sorted(path.name for path in Path("samples").glob("*.npy")) == [
        f"00{row}-seed_{row + 4}_wave.npy" for row in range(3)
    ]
    for row, seed in enumerate((4, 5, 6)):
        made = np.load(f"samples/00{row}-seed_{seed}_wave.npy")
        assert (made == wave(synthesis, 1, seed)).all()
    assert run(monkeypatch, *words, "png") == 0
    frames = sorted(Path("samples/001-seed_5_wave").glob("*.png"))
    assert [frame.name for frame in frames] == ["00.png", "01.png", "02.png", "03.png"]
    pixels = np.stack([np.asarray(Image.open(frame)) for frame in frames])
    assert (pixels == wave(synthesis, 1, 5)[0]).all()


def test_a_long_video_leads_through_videos_in_turn(
    monkeypatch: pytest.MonkeyPatch, synthesis: Path
) -> None:
    words = ["--class", "wave", "--between", "latents", "--through", 3, "--count", 3, "--in-turn"]
    assert run(monkeypatch, synthesis, *words, "--no-captions", "--write", "walk.mp4") == 0
    made = shown("walk.mp4")[:, 2 : 2 + SIDE, 2 : 2 + SIDE]
    assert len(made) == 5 * T  # 3 from video 0 to 1, 2 more to video 2
    numbered = wave(synthesis, 3)
    for number, start in ((0, 0), (1, 2 * T), (2, 4 * T)):
        distance = np.abs(made[start : start + T].astype(int) - numbered[number]).mean()
        assert distance < 20  # half of the chroma is lost
        others = [np.abs(made[start : start + T].astype(int) - each).mean() for each in numbered]
        assert distance == min(others)


def test_only_an_own_unchanged_file_is_replaced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], synthesis: Path
) -> None:
    words = [synthesis, "--class", "wave", "--count", 1, "--write"]
    Path("mine.gif").write_bytes(b"years of work")
    Path("folder.gif").mkdir()
    Path("link.gif").symlink_to("mine.gif")
    for name in ("mine.gif", "folder.gif", "link.gif"):
        assert run(monkeypatch, *words, name) == EXIT_USER_ERROR
        assert capsys.readouterr().err.startswith(f"error: {name} is a ")
    assert run(monkeypatch, *words, "new.gif") == 0
    first = Path("new.gif").read_bytes()
    assert run(monkeypatch, *words, "new.gif", "--seed", 1) == 0
    assert Path("new.gif").read_bytes() != first
    assert run(monkeypatch, *words, "new.gif") == 0
    assert Path("new.gif").read_bytes() == first
    assert Path("mine.gif").read_bytes() == b"years of work"
    Path("new.gif").write_bytes(b"edited")
    assert run(monkeypatch, *words, "new.gif") == EXIT_USER_ERROR
    assert Path("new.gif").read_bytes() == b"edited"


def test_a_list_that_dvdgan_did_not_write_is_not_replaced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], synthesis: Path
) -> None:
    Path(".dvdgan-output.json").write_text("[1, 2]")
    assert run(monkeypatch, synthesis, "--count", 1, "--write", "x.gif") == EXIT_USER_ERROR
    assert "is not a list of files that dvdgan wrote" in capsys.readouterr().err
    assert Path(".dvdgan-output.json").read_text() == "[1, 2]"


def test_a_prediction_s_latents_are_interpolated_on_the_same_frames(
    monkeypatch: pytest.MonkeyPatch, synthetic_videos: Path, tmp_path: Path
) -> None:
    bundle = write(tmp_path / "bundle", classes=0, conditioning_frames=C, encoder_channels=1)
    video = next(synthetic_videos.glob("*/*.mp4"))
    words = [bundle, "--start", video, "--between", "latents", "--count", 3]
    assert run(monkeypatch, *words, "--write", "between.npy") == 0
    made = np.load("between.npy")
    assert made.shape == (3, T, SIDE, SIDE, 3)
    assert (made[:, :C] == made[:1, :C]).all()
    assert (made[0, C:] != made[2, C:]).any()
