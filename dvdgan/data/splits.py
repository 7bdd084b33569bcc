"""Groups of videos that belong together, and which of them are held out as the test split."""

import hashlib
import math
from collections.abc import Sequence


def unite(names: Sequence[str], digests: Sequence[str]) -> list[str]:
    """One group per video: those with equal names or equal bytes, and all they lead to, are one.

    A united group has the smallest of its names.
    """
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for name, digest in zip(names, digests, strict=True):
        # Ordering by ("group", name) < ("sha256", digest) makes a name the root of every set.
        low, high = sorted((root(("group", name)), root(("sha256", digest))))
        parent[high] = low
    return [root(("group", name))[1] for name in names]


def held_out_groups(
    labels: Sequence[int], groups: Sequence[str], fraction: float, seed: int
) -> set[str]:
    """The groups held out: per class, round(fraction x groups) of them, chosen by a hash.

    A group that spans classes is decided once, with the class of its smallest label. At least one
    of the groups decided with a class stays in train.
    """
    home: dict[str, int] = {}
    for label, group in zip(labels, groups, strict=True):
        home[group] = min(label, home.get(group, label))
    held_out: set[str] = set()
    for label in sorted(set(home.values())):
        members = [group for group, own in home.items() if own == label]
        members.sort(key=lambda group: _hash(seed, group))
        count = min(math.floor(fraction * len(members) + 0.5), len(members) - 1)
        held_out.update(members[:count])
    return held_out


def _hash(seed: int, group: str) -> str:
    return hashlib.sha256(f"{seed}\0{group}".encode()).hexdigest()
