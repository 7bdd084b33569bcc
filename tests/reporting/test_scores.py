"""Cards, the headline and the numbers for the terminal."""

import pytest

from dvdgan.reporting.scores import cards, headline, numbers_table, shown


def test_best_is_left_and_worst_is_right_on_every_scale(measured):
    for card in cards(measured):
        places = {mark.who: mark.place for mark in card.marks}
        assert places["real test clips"] == 0
        assert max(places.values()) == 100
        assert 0 < places["generated"] < 100


def test_the_headline_tells_wins_and_losses(measured):
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
def test_shown(value, text):
    assert shown(value) == text
