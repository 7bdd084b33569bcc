"""The metrics of a revision, as its results file has them."""

import json
from typing import Any

from dvdgan.reporting.scores import GENERATED, metrics_by_name

# results.json has every metric with its protocol; older versions have that in metrics.json.
FILES = ("artifacts/evaluate/results.json", "artifacts/evaluate/metrics.json")


def read_generated(data: bytes) -> dict[str, Any] | None:
    """The metrics of the generated clips in a file of FILES, by name; None if it has none."""
    found = json.loads(data)
    if not isinstance(found, dict) or not isinstance(found.get(GENERATED), dict):
        return None
    return metrics_by_name(found[GENERATED])
