"""Sheets against plain loops."""

import numpy as np

from dvdgan.video.grid import film_strip, video_grid


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
    assert (sheet[~covered] == 255).all()


def test_film_strip_runs_time_to_the_right() -> None:
    clips = np.zeros((2, 5, 4, 4, 3), np.uint8) + np.arange(5, dtype=np.uint8)[:, None, None, None]
    strip = film_strip(clips, every=2, pad=1)
    assert strip.shape == (2 * 5 + 1, 3 * 5 + 1, 3)
    assert strip[3, [3, 8, 13], 0].tolist() == [0, 2, 4]
