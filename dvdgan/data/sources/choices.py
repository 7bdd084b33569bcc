"""What a user may say about clips, by name; loads nothing, so that the command line starts fast."""

from typing import Literal

Window = Literal["first", "centre", "random"]
"""Part of a longer video; random is drawn for each video by its place, and is always the same."""

Side = Literal["generated", "real"]
"""Which of two compared sets, as the names of options begin: --real-range."""

Layout = Literal["NTHWC", "NTCHW", "NCTHW"]
"""Axes of an array, in its order: N clips, T frames, C channels, H height, W width."""

ValueRange = Literal["[-1, 1]", "[0, 1]", "[0, 255]"]
"""Lowest and highest level of float clips."""
