"""Cards, the headline and the numbers for the terminal."""

import pytest

from dvdgan.reporting.scores import cards, format_number, numbers_table


def test_a_card_lists_the_best_set_of_clips_first(measured):
    for card in cards(measured):
        names, values = list(card.values), list(card.values.values())
        assert names[0] == "real test clips" and "generated" in names[1:-1]
        assert values == sorted(values, reverse=card.metric in ("IS", "accuracy"))
        assert card.value == measured["generated"][card.metric]["value"]


def test_a_distance_has_a_logarithmic_scale_and_a_share_a_linear_one(measured):
    found = {card.metric: card for card in cards(measured)}
    fvd, accuracy = found["FVD"], found["accuracy"]
    assert fvd.position("real test clips") == 0
    assert fvd.position("untrained generator") == pytest.approx(100)
    # log(41.7 / 4.2) / log(1873 / 4.2)
    assert fvd.position("generated") == pytest.approx(37.62847)
    assert accuracy.position("generated") == pytest.approx(71.0)
    assert "precision" not in found  # not measured here


def test_the_terminal_table_lines_up(measured):
    lines = numbers_table(measured).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split() == ["FVD", "accuracy", "FID", "IS", "clips"]
    assert lines[1].split() == ["better", "if", "lower", "higher", "lower", "higher"]
    assert lines[2].split() == ["generated", "41.7", "0.71", "2.84", "2.51", "256"]
    assert lines[3].split() == ["95%", "interval", "+-4.17", "+-0.071", "+-0.284", "+-0.251"]


@pytest.mark.parametrize(("value", "text"), [(0.71, "0.71"), (41.73, "41.7"), (1873.2, "1,873")])
def test_format_number(value, text):
    assert format_number(value) == text
