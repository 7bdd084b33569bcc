"""Costs as text: units a person reads, columns that line up, sums that are the networks'."""

import pytest

from dvdgan.models.cost import AttentionCost, LayerCost, ModelCost, NetworkCost
from dvdgan.reporting.costs import cost_page, count, memory, table, times

MIB = 1024**2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (16_384, "16.4 K"),
        (999_499, "999 K"),
        (999_501, "1.00 M"),
        (404_039_360_512, "404 G"),
        (4_950_000_000_000, "4.95 T"),
    ],
)
def test_counts_have_three_digits(value: int, text: str) -> None:
    assert count(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(8, "8 B"), (1536, "1.50 KiB"), (1000 * MIB, "0.98 GiB")]
)
def test_bytes_go_by_powers_of_1024(value: int, text: str) -> None:
    assert memory(value) == text


def test_factors() -> None:
    assert [times(value) for value in (0.767, 1.0, 12.34, 3072)] == [
        "0.77x",
        "1.00x",
        "12.3x",
        "3,072x",
    ]


def test_numbers_stand_to_the_right() -> None:
    assert table([("a", "number"), ("long name", "7")]) == "a          number\nlong name       7"


def network(multiply_adds: int, kept: int) -> NetworkCost:
    layers = [
        LayerCost("first", "Conv2d", (2, 3, 4), 10, multiply_adds - 1_000, kept - 2 * MIB),
        LayerCost("last", "Linear", (), 5, 1_000, 0),
    ]
    return NetworkCost(layers, 15, multiply_adds, kept, kept_once=MIB)


@pytest.fixture
def page() -> list[str]:
    """Of a model with D_S alone, at 3 clips."""
    cost = ModelCost(
        generator=network(5_000_000, 8 * MIB),
        discriminators={"D_S": network(2_000_000, 4 * MIB)},
        pixels_seen={"D_S": 100},
        clip_pixels=250,
        full_discriminator=network(6_000_000, 10 * MIB),
        attention=AttentionCost((3, 8, 16, 16), network(1_000_000, MIB), network(5_000_000, MIB)),
    )
    return cost_page(cost, batch=3).splitlines()


def words(page: list[str], beginning: str) -> list[str]:
    """The cells of the one line that begins so."""
    (line,) = (line for line in page if line.startswith(beginning + "  "))
    return line.removeprefix(beginning).split("  ")


def cells(page: list[str], beginning: str) -> list[str]:
    return [word.strip() for word in words(page, beginning) if word.strip()]


def test_a_network_is_the_sum_of_its_layers_and_what_is_between(page: list[str]) -> None:
    start = next(number for number, line in enumerate(page) if line.startswith("G  "))
    of_g = page[start : start + 5]
    assert cells(of_g, "first") == ["Conv2d", "2 x 3 x 4", "10", "5.00 M", "6.00 MiB"]
    assert cells(of_g, "last") == ["Linear", "1", "5", "1.00 K", "0 B"]
    assert cells(of_g, "between them") == ["2.00 MiB"]
    assert cells(of_g, "in all") == ["15", "5.00 M", "8.00 MiB"]


def test_the_totals_are_those_of_the_batch(page: list[str]) -> None:
    assert cells(page, "together") == ["30", "7.00 M", "12.0 MiB", "2.00 MiB", "38.0 MiB"]


def test_both_ideas_have_their_ratio(page: list[str]) -> None:
    ours, theirs = (number for number, line in enumerate(page) if line.startswith("ratio"))
    # Memory: (3 x 10 + 1) / (3 x 4 + 1) MiB.
    assert page[ours].split() == ["ratio", "2.50x", "3.00x", "2.38x"]
    # (16 x 16 x 3)^2 against 16 x 16 x 16 x 3 weights.
    assert page[theirs].split() == ["ratio", "48.0x", "5.00x"]
    assert any(line.startswith("D_S, or one discriminator") for line in page)
