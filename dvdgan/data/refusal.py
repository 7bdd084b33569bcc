"""The reasons for which a file below index.root does not become a training video."""

from dataclasses import dataclass
from enum import StrEnum


class Refusal(StrEnum):
    """One reason per refused path; docs/stages/index.md lists what to do about each."""

    NOT_IN_A_CLASS_FOLDER = "not_in_a_class_folder"
    NOT_IN_THE_TABLE = "not_in_the_table"
    MISSING = "missing"
    NESTED = "nested"
    EMPTY_FOLDER = "empty_folder"
    LINK_LOOP = "link_loop"
    NOT_A_REGULAR_FILE = "not_a_regular_file"
    UNREADABLE = "unreadable"
    NAME_NOT_UTF8 = "name_not_utf8"
    EMPTY_FILE = "empty_file"
    UNSAFE_MEMBER = "unsafe_member"
    DUPLICATE_MEMBER = "duplicate_member"
    INCOMPLETE_SAMPLE = "incomplete_sample"
    NOT_A_VIDEO = "not_a_video"
    NO_VIDEO_STREAM = "no_video_stream"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    EMPTY_RANGE = "empty_range"
    TOO_SHORT = "too_short"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    TOO_ELONGATED = "too_elongated"
    SIZE_CHANGES = "size_changes"
    TIMED_OUT = "timed_out"
    DECODER_CRASHED = "decoder_crashed"


# About the shape of the folder, not about a file that was meant to be a video: these do not count
# towards the share of refused files.
STRUCTURAL = frozenset(
    {
        Refusal.NOT_IN_A_CLASS_FOLDER,
        Refusal.EMPTY_FOLDER,
        Refusal.LINK_LOOP,
        Refusal.NOT_IN_THE_TABLE,
        Refusal.NOT_A_REGULAR_FILE,
    }
)


@dataclass(frozen=True)
class Refused:
    """A refused path (relative to the root, printable), the reason, and a sentence with details."""

    path: str
    reason: Refusal
    detail: str
