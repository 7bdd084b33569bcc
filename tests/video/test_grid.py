"""Sheets against plain loops."""

import numpy as np

from dvdgan.video.grid import GIVEN, film_strip, video_grid


def test_video_grid_puts_every_clip_in_its_cell() -> None:
    clips = np.random.default_rng(0).integers(0, 200, (2, 3, 4, 5, 6, 3), np.uint8)
    sheet = video_grid(clips, pad=1)
    assert sheet.shape == (4, 2 * 6 + 1, 3 * 7 + 1, 3)
    covered = np.zeros(sheet.shape, bool)
    for row in range(2):
        for col in range(3):
            cell = np.s_[:, 1 + 6 * row : 6 + 6 * row, 1 + 7 * col : 7 + 7 * col]
            assert (sheet[cell] == clips[row, col]).all()
            covered[cell] = True
    assert (sheet[~covered] == 128).all()


def test_film_strip_runs_time_to_the_right() -> None:
    clips = np.zeros((2, 5, 4, 4, 3), np.uint8) + np.arange(5, dtype=np.uint8)[:, None, None, None]
    strip = film_strip(clips, every=2, pad=1)
    assert strip.shape == (2 * 5 + 1, 3 * 5 + 1, 3)
    assert strip[3, [3, 8, 13], 0].tolist() == [0, 2, 4]


def test_given_frames_are_framed_in_blue() -> None:
    clips = np.full((2, 6, 4, 4, 3), 7, np.uint8)
    strip = film_strip(clips, pad=1, given=2)
    expected = np.zeros(strip.shape[:2], bool)
    for y, x in np.ndindex(expected.shape):
        inside = y % 5 > 0 and x % 5 > 0  # cells of 4 x 4 behind a line of padding
        expected[y, x] = x <= 2 * 5 and not inside
    assert ((strip == GIVEN).all(axis=2) == expected).all()
    assert (strip[1:5, 1:5] == 7).all()
    # Every third frame of 0..5 is shown: of frames 0 and 3, the first alone was given.
    every_third = (film_strip(clips, every=3, pad=1, given=3) == GIVEN).all(axis=2)
    assert every_third[:, 0].all()
    assert not every_third[:, 7:].any()


def test_a_grid_is_framed_for_as_long_as_frames_are_given() -> None:
    grid = video_grid(np.full((1, 2, 5, 4, 4, 3), 7, np.uint8), pad=1, given=3)
    blue = (grid == GIVEN).all(axis=3)
    assert blue[:3, 0].all()
    assert not blue[3:].any()
