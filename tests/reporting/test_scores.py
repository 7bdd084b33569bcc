"""Cards, the headline and the numbers for the terminal."""

import pytest

from dvdgan.reporting.scores import cards, format_number, headline, numbers_table


def test_a_card_lists_the_best_set_of_clips_first(measured):
    for card in cards(measured):
        names, values = list(card.values), list(card.values.values())
        assert names[0] == "real test clips" and "generated" in names[1:-1]
        assert values == sorted(values, reverse=card.metric in ("IS", "accuracy"))
        assert card.value == measured["generated"][card.metric]["value"]


def test_the_headline_compares_with_the_controls(measured):
    assert headline(measured) == (
        "Generated videos are at FVD 41.7 from real ones: 45 times nearer than the untrained "
        "generator, 9.9 times nearer than the mean clip."
    )
    measured["generated"]["FVD"]["value"] = 400.0
    assert "about as far as the mean clip" in headline(measured)
    measured["generated"]["FVD"]["value"] = 500.0
    assert "farther than the mean clip" in headline(measured)


def test_the_terminal_table_lines_up(measured):
    lines = numbers_table(measured).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split() == ["generated", "41.7", "2.84", "2.51", "0.71", "256"]
    assert lines[2].split() == ["+-4.17", "+-0.284", "+-0.251", "+-0.071"]


@pytest.mark.parametrize(("value", "text"), [(0.71, "0.71"), (41.73, "41.7"), (1873.2, "1,873")])
def test_format_number(value, text):
    assert format_number(value) == text
