"""Groups never straddle the splits, and have the requested sizes."""

from collections import defaultdict

import networkx
import numpy as np
import pytest

from dvdgan.data.splits import held_out_groups, unite


def test_unite_finds_the_connected_components() -> None:
    rng = np.random.default_rng(0)
    names = [f"n{i}" for i in rng.integers(0, 60, 60)]
    digests = [f"d{i}" for i in rng.integers(0, 60, 60)]
    graph = networkx.Graph((("n", n), ("d", d)) for n, d in zip(names, digests, strict=True))
    expected = {}
    for component in networkx.connected_components(graph):
        inside = {name for kind, name in component if kind == "n"}
        expected |= dict.fromkeys(inside, min(inside))
    assert unite(names, digests) == [expected[name] for name in names]
    assert len(set(expected.values())) > 3


@pytest.mark.parametrize(
    ("count", "fraction", "expected"), [(8, 0.25, 2), (10, 0.25, 3), (1, 0.5, 0), (2, 0.5, 1)]
)
def test_share_held_out_of_each_class(count: int, fraction: float, expected: int) -> None:
    labels = [label for label in range(3) for _ in range(count)]
    groups = [f"g{i}" for i in range(3 * count)]
    chosen = held_out_groups(labels, groups, fraction, seed=1)
    per_class = defaultdict(int)
    for label, group in zip(labels, groups, strict=True):
        per_class[label] += group in chosen
    assert [per_class[label] for label in range(3)] == [expected] * 3


def test_choice_depends_on_the_seed_and_not_on_the_order() -> None:
    groups = [f"g{i}" for i in range(40)]
    chosen = held_out_groups([0] * 40, groups, 0.25, seed=1)
    assert held_out_groups([0] * 40, groups[::-1], 0.25, seed=1) == chosen
    assert held_out_groups([0] * 40, groups, 0.25, seed=2) != chosen


def test_a_group_across_classes_is_decided_with_its_smallest_label() -> None:
    # Class 1 has one group of its own, so it can hold out none; "both" belongs to class 0.
    labels, groups = [0, 1, 0, 1], ["both", "both", "a", "b"]
    chosen = held_out_groups(labels, groups, 0.5, seed=0)
    assert len(chosen) == 1
    assert chosen <= {"both", "a"}
