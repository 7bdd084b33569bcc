"""Sides that differ, options of one side, and clips whose numbers mean little."""

from pathlib import Path

import numpy as np
import pytest
from compared_sets import ARRAYS, COUNT, FOLDERS, SIZE, evaluate, numbers, squares


def test_shards_are_taken_at_the_stride_of_the_statistics(work: Path) -> None:
    """They hold videos as they were recorded, so that another stride is another speed."""
    words = ["--generated=shards", "--real=statistics"]
    code, output, _ = evaluate(work, *words, "--generated-stride=1")
    assert code != 0 and "generated shard set would be read with stride 1" in output
    taken = numbers(work, *words)["FVD"]
    assert taken["protocol"]["preprocessing"]["stride"] == 2
    assert numbers(work, *words, "--generated-stride=2")["FVD"] == taken
    code, output, _ = evaluate(work, *words, "--stride=1")
    assert code != 0 and "statistics are of clips of stride 2, not 1" in output


@pytest.mark.parametrize(
    ("words", "warning"),
    [
        ([*FOLDERS, "--generated-stride=2"], "2 apart in their videos, real ones 1"),
        (
            ["--generated=fakes", "--real=shards", "--frames=4", "--resolution=32"],
            "generated frames are resized, real ones cropped",
        ),
        (["--generated=shards", "--real=statistics"], "the first window of recorded videos"),
    ],
)
def test_sides_that_were_taken_differently_come_with_a_warning(
    work: Path, words: list[str], warning: str
) -> None:
    code, output, document = evaluate(work, *words)
    assert code == 0, output
    assert any(warning in each for each in document["warnings"])
    assert "warning: " in output and warning in output


def test_the_usual_comparison_has_no_such_warning(work: Path) -> None:
    for words in (FOLDERS, [*FOLDERS, "--stride=2"], ["--generated=fakes", "--real=statistics"]):
        _, _, document = evaluate(work, *words)
        assert not [each for each in document["warnings"] if "real ones" in each]


@pytest.mark.parametrize(
    ("words", "what", "todo"),
    [
        ([*ARRAYS, "--real-range=[0, 1]"], "uint8 clips", "leave out --real-range"),
        ([*ARRAYS, "--stride=2"], "are an array", "leave out --stride"),
        ([*FOLDERS, "--generated-range=[0, 1]"], "are videos", "leave out --generated-range"),
        ([*FOLDERS, "--real-layout=NTHWC"], "are videos", "leave out --real-layout"),
        (["--generated=bright.npy", "--real=reals.npy"], "may be all of", "--generated-range"),
        (["--generated=reals.npy", "--real=bright.npy"], "may be all of", "--real-range"),
        (
            ["--generated=fakes.npy", "--real=statistics", "--real-range=[0, 1]"],
            "statistics have no array layout and no value range",
            "--real-range",
        ),
    ],
)
def test_an_option_of_one_side_is_advised_and_refused_for_that_side(
    work: Path, words: list[str], what: str, todo: str
) -> None:
    code, output, _ = evaluate(work, *words)
    assert code != 0 and what in output and todo in output


def test_floats_are_compared_with_levels_by_an_option_for_their_side(work: Path) -> None:
    levels = (np.load(work / "bright.npy") * 255).round().astype(np.uint8)
    np.save(work / "levels.npy", levels)
    sides = ["--generated=bright.npy", "--real=levels.npy", "--generated-range=[0, 1]"]
    assert numbers(work, *sides)["FVD"]["value"] == 0
    sides = ["--generated=levels.npy", "--real=bright.npy", "--real-range=[0, 1]"]
    assert numbers(work, *sides)["FVD"]["value"] == 0


@pytest.mark.parametrize(
    ("name", "clips", "warnings"),
    [
        ("black", np.zeros((COUNT, 4, SIZE, SIZE, 3), np.uint8), ["35 of 36", "a single colour"]),
        ("frozen", squares(COUNT, 1)[:, :1].repeat(4, axis=1), ["36 generated clips are static"]),
        ("twice", np.tile(squares(COUNT // 2, 1)[:, :4], (2, 1, 1, 1, 1)), ["18 of 36"]),
    ],
)
def test_finite_numbers_of_doubtful_clips_come_with_a_warning(
    work: Path, name: str, clips: np.ndarray, warnings: list[str]
) -> None:
    np.save(work / f"{name}.npy", clips)
    code, output, document = evaluate(work, f"--generated={name}.npy", "--real=reals.npy")
    assert code == 0, output
    found = " ".join(document["warnings"])
    assert all(
        each in found and each in output for each in [*warnings, "only slightly more than the 32"]
    )
