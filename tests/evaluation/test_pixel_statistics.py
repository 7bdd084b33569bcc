"""Motion, contrast, saturation, alternation, jitter: plain loops, known clips, spoilt video."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch

from dvdgan.data.synthetic import MOTIONS, draw
from dvdgan.errors import UserError
from dvdgan.evaluation.controls import freeze_frames
from dvdgan.evaluation.pixel_statistics import PixelRanges, PixelStatistics, defect_shares
from dvdgan.video.decode import frames
from dvdgan.video.image import resize_short_side

WEIZMANN = Path(__file__).resolve().parents[2] / "../shared/data/weizmann"
SIDE, SPAN, STRIDE = 32, 15, 2
UNSEEN_PERSON = 6
HEALTHY = {"static": 0, "uniform": 0, "saturated": 0, "flickering": 0}


def generator():
    return torch.Generator().manual_seed(0)


def as_levels(values):
    return values.round().clamp(0, 255).to(torch.uint8)


def test_the_numbers_are_those_of_plain_loops():
    clips = torch.randint(0, 256, (3, 5, 3, 4, 6), generator=generator()).to(torch.uint8)
    clips[1] //= 64  # many values at the lower end
    found = PixelStatistics.of(clips)
    for number, clip in enumerate(clips.tolist()):
        video = [[[v for row in channel for v in row] for channel in frame] for frame in clip]
        one, two, spreads, jumps, ends, values = [], [], [], [], 0, 0
        for frame in video:
            for channel in frame:
                mean = sum(channel) / len(channel)
                spreads.append((sum((v - mean) ** 2 for v in channel) / len(channel)) ** 0.5)
                ends += sum(v <= 1 or v >= 254 for v in channel)
                values += len(channel)
        for apart, into in ((1, one), (2, two)):
            for before, after in zip(video, video[apart:], strict=False):
                for a, b in zip(before, after, strict=True):
                    into += [abs(v - w) for v, w in zip(a, b, strict=True)]
        for a, b, c in zip(video, video[1:], video[2:], strict=False):
            for x, y, z in zip(a, b, c, strict=True):
                jumps.append(abs(sum(x) - 2 * sum(y) + sum(z)) / len(x))
        motion = sum(one) / len(one)
        expected = {
            "motion": motion,
            "contrast": sum(spreads) / len(spreads),
            "saturation": ends / values,
            "alternation": motion / max(sum(two) / len(two), 1),
            "jitter": sum(jumps) / len(jumps),
        }
        for name, value in expected.items():
            assert float(getattr(found, name)[number]) == pytest.approx(value, rel=1e-5), name


def alternation(clip):
    return float(PixelStatistics.of(clip[None]).alternation)


def test_alternation_tells_flicker_from_the_fastest_motion_and_from_noise():
    """A second difference over a first one would be 2 for a leaping dot and for flicker alike."""
    still = torch.full((8, 3, 16, 16), 100, dtype=torch.uint8)
    dot = still.clone()
    for time in range(8):
        dot[time, :, :, 2 * time] = 250  # never twice at one place
    noise = as_levels(128 + 20 * torch.randn(8, 3, 16, 16, generator=generator()))
    flicker = still.clone()
    flicker[::2] += 6
    ramp = still + 3 * torch.arange(8, dtype=torch.uint8).view(8, 1, 1, 1)
    assert alternation(still) == 0
    assert alternation(ramp) == pytest.approx(0.5)
    assert alternation(dot) == pytest.approx(1)
    assert alternation(noise) == pytest.approx(1, abs=0.05)
    assert alternation(flicker) == 6


def test_jitter_hears_jumps_and_no_fades():
    fade = 20 * torch.arange(8, dtype=torch.uint8).view(1, 8, 1, 1, 1).expand(1, 8, 3, 4, 4)
    jumps = torch.tensor([0, 9, 0, 0, 9, 9, 0, 9]).view(1, 8, 1, 1, 1).expand(1, 8, 3, 4, 4)
    assert float(PixelStatistics.of(fade).jitter) == 0
    expected = np.abs(np.diff([0, 9, 0, 0, 9, 9, 0, 9], 2)).mean()
    assert float(PixelStatistics.of(jumps.to(torch.uint8)).jitter) == pytest.approx(expected)


def test_two_frames_move_and_do_not_flicker():
    pair = torch.tensor([0, 200], dtype=torch.uint8).view(1, 2, 1, 1, 1).expand(1, 2, 3, 4, 4)
    found = PixelStatistics.of(pair)
    assert (float(found.motion), float(found.alternation), float(found.jitter)) == (200, 0, 0)


def test_ranges_are_the_outer_hundredths_and_survive_the_file(tmp_path):
    numbers = torch.rand(5, 300, generator=generator(), dtype=torch.float64)
    ranges = PixelRanges.of(PixelStatistics(*numbers))
    assert ranges.contrast == pytest.approx(np.quantile(numbers[1].numpy(), [0.01, 0.99]))
    ranges.save(tmp_path / "ranges.json")
    assert PixelRanges.load(tmp_path / "ranges.json") == ranges


def test_artefacts_without_ranges_say_how_to_get_them(tmp_path):
    with pytest.raises(UserError, match="dvc repro reference"):
        PixelRanges.load(tmp_path / "ranges.json")


def windows(video, count):
    """``count`` clips of a video (N, 3, H, W) at even times."""
    starts = len(video) - SPAN + 1
    for place in range(count):
        first = (2 * place + 1) * starts // (2 * count)
        yield video[first : first + SPAN : STRIDE]


def moving_shapes(seed, videos):
    randomness = np.random.default_rng(seed)
    drawn = [draw(label, randomness, SIDE, 32) for label in MOTIONS for _ in range(videos)]
    clips = [clip for video in drawn for clip in windows(torch.from_numpy(video), 2)]
    return torch.stack(clips).permute(0, 1, 4, 2, 3)


def people():
    """Clips of some people, and of others."""
    if not (WEIZMANN / "index.csv").is_file():
        pytest.skip(f"{WEIZMANN} is not here")
    known, unseen = [], []
    with (WEIZMANN / "index.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            shown = [resize_short_side(frame, SIDE) for frame in frames(WEIZMANN / row["file"])]
            video = torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2)
            group = unseen if int(row["subject"]) >= UNSEEN_PERSON else known
            group += windows(video, 2)
    return torch.stack(known), torch.stack(unseen)


@pytest.fixture(scope="module", params=["moving shapes", "people"])
def real(request):
    """Ranges of real clips, and clips of other videos."""
    if request.param == "people":
        known, unseen = people()
    else:
        known, unseen = moving_shapes(0, 30), moving_shapes(1, 12)
    return PixelRanges.of(PixelStatistics.of(known)), unseen


def test_unseen_real_clips_are_healthy(real):
    ranges, clips = real
    assert defect_shares(PixelStatistics.of(clips), ranges) == HEALTHY


def alternating(clips):
    """12 levels up and down in turns, in a checkerboard that keeps the brightness."""
    places = torch.arange(SIDE)
    board = (places[:, None] // 8 + places // 8) % 2 * 2 - 1
    sign = torch.arange(clips.shape[1]).view(-1, 1, 1, 1) % 2 * 2 - 1
    return as_levels(clips + 12.0 * board * sign)


def flashing(clips):
    """Each frame brighter or darker by itself."""
    shift = torch.randn(len(clips), clips.shape[1], 1, 1, 1, generator=generator())
    return as_levels(clips + 40 * shift)


def pale(clips):
    means = clips.float().mean((3, 4), keepdim=True)
    return as_levels(means + 0.1 * (clips - means))


def clipped(clips):
    return as_levels(127.5 + 10 * (clips - clips.float().mean()))


@pytest.mark.parametrize(
    ("spoil", "sign"),
    [
        (freeze_frames, "static"),
        (pale, "uniform"),
        (clipped, "saturated"),
        (alternating, "flickering"),
        (flashing, "flickering"),
    ],
)
def test_each_way_of_spoiling_real_clips_has_its_sign(real, spoil, sign):
    ranges, clips = real
    spoilt = spoil(clips)
    found = defect_shares(PixelStatistics.of(spoilt), ranges)
    assert found[sign] > 0.8, found
    half = torch.cat([spoilt, clips])
    assert defect_shares(PixelStatistics.of(half), ranges)[sign] == pytest.approx(found[sign] / 2)
