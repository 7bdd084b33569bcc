"""What became of each file, kept as it is found out, so that no file is probed twice.

One line of JSON per file, named by its path, size and time of change. A run that was killed
leaves at worst half a line, which is skipped.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple
from pathlib import Path

from dvdgan.data.inspection import Accepted, Outcome
from dvdgan.data.refusal import Refusal, Refused
from dvdgan.data.scan import FoundVideo
from dvdgan.video.decode import VideoFacts

# These may end otherwise next time without any change to the file.
PASSING = frozenset({Refusal.UNREADABLE, Refusal.TIMED_OUT, Refusal.DECODER_CRASHED})


def read_outcomes(file: Path) -> dict[FoundVideo, Outcome]:
    """What earlier runs wrote to ``file``; empty where there is none."""
    known: dict[FoundVideo, Outcome] = {}
    if file.is_file():
        with file.open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                try:
                    record = json.loads(line)
                except json.JSONDecodeError:  # the end of a killed run
                    continue
                candidate = FoundVideo(**record["file"])
                known[candidate] = _outcome(candidate, record)
    return known


@contextmanager
def keeping(file: Path) -> Iterator[Callable[[FoundVideo, Outcome], None]]:
    """Give a function that appends an outcome to ``file``, unless it may change by itself."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="ascii", buffering=1) as lines:

        def keep(candidate: FoundVideo, outcome: Outcome) -> None:
            if isinstance(outcome, Accepted):
                found = {"sha256": outcome.sha256, "facts": asdict(outcome.facts)}
            elif outcome.reason in PASSING:
                return
            else:
                found = {"refused": astuple(outcome)}
            # The line break comes first, so that half a line is never continued.
            lines.write("\n" + json.dumps({"file": asdict(candidate), **found}))

        yield keep


def _outcome(candidate: FoundVideo, record: dict[str, object]) -> Outcome:
    match record:
        case {"sha256": str(digest), "facts": dict(facts)}:
            return Accepted(candidate.path, candidate.label_name, digest, VideoFacts(**facts))
        case {"refused": [str(path), str(reason), str(detail)]}:
            return Refused(path, Refusal(reason), detail)
    raise ValueError(f"not an outcome: {record}")
