"""Sample sheets: what is where in the picture and in the video, and that drawing moves nothing."""

import copy
import importlib.util
import io

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from tiny_run import CLIP, MODEL

from dvdgan.models.build import build_generator
from dvdgan.models.generator import Generator, GeneratorInputs
from dvdgan.training.preview import COLUMNS, ROWS, SampleSheet

SIZE = CLIP.resolution
CELL = SIZE + 2  # with its padding
CLASSES = 3


def inputs(count: int, given: torch.Tensor | None = None) -> GeneratorInputs:
    latents = torch.randn(count, MODEL.latent_dim)
    return GeneratorInputs(latents, torch.arange(count) % CLASSES, given)


@pytest.fixture
def generator() -> Generator:
    return build_generator(MODEL, CLIP, CLASSES)


@pytest.fixture
def sheet() -> SampleSheet:
    return SampleSheet(inputs(ROWS), [inputs(2 * ROWS) for _ in range(2)], None, 12.5)


def decoded(content: bytes) -> tuple[NDArray[np.uint8], float]:
    """The frames (T, H, W, 3) of an mp4, and its frames per second."""
    with av.open(io.BytesIO(content)) as container:
        rate = container.streams.video[0].average_rate
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return np.stack(frames), float(rate)  # type: ignore[arg-type]


def picture(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_the_video_shows_the_clips_of_the_picture(generator: Generator, sheet: SampleSheet) -> None:
    files = sheet.draw(generator)
    assert list(files) == [".png", ".mp4"]
    strip = picture(files[".png"])
    video, rate = decoded(files[".mp4"])
    assert rate == 12.5
    assert strip.shape == (ROWS * CELL + 2, CLIP.frames * CELL + 2, 3)
    grid = (ROWS // COLUMNS * CELL + 2, COLUMNS * CELL + 2)
    assert video.shape == (CLIP.frames, *grid, 3)
    for number in range(ROWS):
        top, left = (2 + CELL * place for place in divmod(number, COLUMNS))
        for time in range(CLIP.frames):
            row, column = 2 + CELL * number, 2 + CELL * time
            exact = strip[row : row + SIZE, column : column + SIZE].astype(float)
            coded = video[time, top : top + SIZE, left : left + SIZE].astype(float)
            # The codec loses detail of colour.
            assert abs(coded.mean((0, 1)) - exact.mean((0, 1))).max() < 5


def test_equal_weights_give_equal_bytes(generator: Generator, sheet: SampleSheet) -> None:
    weights = copy.deepcopy(dict(generator.named_parameters()))
    random = torch.get_rng_state()
    first = sheet.draw(generator)
    assert sheet.draw(generator) == first
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, weights[name]) for name, value in generator.named_parameters())


def test_a_prediction_stands_above_what_really_happened() -> None:
    model = MODEL.model_copy(update={"conditioning_frames": 1})
    generator = build_generator(model, CLIP, 1)
    truth = torch.full((ROWS, CLIP.frames, 3, SIZE, SIZE), 0, dtype=torch.uint8)
    truth[:, :, 2] = 200  # blue, each clip a little redder than the one before
    truth[:, :, 0] = 20 * torch.arange(ROWS, dtype=torch.uint8)[:, None, None, None]

    def given(count: int) -> torch.Tensor:
        return torch.zeros(count, 1, 3, SIZE, SIZE)

    sheet = SampleSheet(inputs(ROWS, given(ROWS)), [inputs(ROWS, given(ROWS))], truth, 10.0)
    files = sheet.draw(generator)
    strip = picture(files[".png"])
    video, _ = decoded(files[".mp4"])
    middle = CELL // 2
    for number in range(COLUMNS):
        expected = [20 * number, 0, 200]
        assert strip[(2 * number + 1) * CELL + middle, CELL + middle].tolist() == expected
        shown = video[1, CELL + middle, number * CELL + middle].astype(int)
        assert abs(shown - expected).max() <= 12


def test_without_av_there_is_the_picture_alone(
    generator: Generator, sheet: SampleSheet, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "dvdgan.training.preview.find_spec", lambda name: None if name == "av" else found(name)
    )
    assert list(sheet.draw(generator)) == [".png"]
