"""Findings as lines of a terminal."""

import shutil
import textwrap
from collections import Counter
from collections.abc import Sequence

from dvdgan.doctor.finding import FAILS, NOT_USED, OK, WARNING, Finding

STATE_WIDTH, NAME_WIDTH, MOST_COLUMNS = 10, 13, 100


def lines_of(finding: Finding) -> str:
    """State, name and message; below it what to do."""
    columns = min(shutil.get_terminal_size((MOST_COLUMNS, 24)).columns, MOST_COLUMNS)
    head = f"{finding.state:<{STATE_WIDTH}}{finding.name:<{NAME_WIDTH}}"
    indent = " " * len(head)
    texts = [(head, finding.message)]
    if finding.todo:
        texts.append((f"{indent}to do: ", finding.todo))
    return "\n".join(
        textwrap.fill(
            " ".join(text.split()),
            max(columns, 2 * len(head)),
            initial_indent=first,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for first, text in texts
    )


def summary(findings: Sequence[Finding]) -> str:
    """How many there are of each state: `9 ok, 1 warning`."""
    counts = Counter(finding.state for finding in findings)
    words = {OK: "ok", WARNING: "warning", FAILS: "failure", NOT_USED: "not used"}
    return ", ".join(
        f"{counts[state]} {word}{'s' * (counts[state] > 1 and state in (WARNING, FAILS))}"
        for state, word in words.items()
        if counts[state]
    )
