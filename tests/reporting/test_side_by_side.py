"""Two runs side by side: what intervals allow to say, protocols that differ, escaped names."""

from html.parser import HTMLParser

import pytest

from dvdgan.reporting.side_by_side import (
    ComparedRun,
    changed_params,
    metric_rows,
    render_comparison,
)


def metric(value, interval, clips=256, seed=0):
    protocol = {"clips": clips, "seed": seed}
    return {"value": value, "interval": interval, "protocol": protocol, "name": "full"}


def run(name="one", latent_dim=120, fvd=None, events=()):
    fvd = fvd or metric(5.0, [4.0, 6.0])
    return ComparedRun(
        name=name,
        measured={"generated": {"FVD": fvd}},
        ledger=list(events),
        params={"train.steps": 300, "train.seed": 0},
        videos={"disc": "data:video/mp4;base64,AAAA", name: "data:video/mp4;base64,AAAA"},
        latent_dim=latent_dim,
    )


@pytest.mark.parametrize(
    ("name", "interval", "word"),
    [
        ("FVD", [1.0, 3.9], "worse"),
        ("FVD", [1.0, 4.0], "within noise"),
        ("FVD", [6.1, 9.0], "better"),
        ("precision", [6.1, 9.0], "worse"),
        ("precision", [1.0, 3.9], "better"),
        ("FVD_frames", [6.1, 9.0], "better"),
    ],
)
def test_intervals_decide_and_the_direction_is_the_metrics(name, interval, word):
    own, other = {name: metric(5.0, [4.0, 6.0])}, {name: metric(2.0, interval, seed=9)}
    [row] = metric_rows({"generated": own}, {"generated": other})
    assert (row.word, row.differences) == (word, [])


def test_unequal_protocols_do_not_compare_and_are_named():
    own, other = {"FVD": metric(5.0, None)}, {"FVD": metric(1.0, None, clips=64)}
    [row] = metric_rows({"generated": own}, {"generated": other})
    assert (row.word, row.differences) == ("not comparable", ["clips: 256 and 64"])
    assert metric_rows({"generated": own}, {"generated": {}})[0].word == "measured once"


def test_hashes_that_differ_are_shown_short():
    own, other = {"FVD": metric(5.0, None)}, {"FVD": metric(1.0, None)}
    own["FVD"]["protocol"] |= {"weights_sha256": "0123456789abcdef" * 4}
    other["FVD"]["protocol"] |= {"weights_sha256": "fedcba9876543210" * 4}
    [row] = metric_rows({"generated": own}, {"generated": other})
    assert row.differences == ["weights sha256: 01234567 and fedcba98"]


def test_changed_params_have_both_values():
    found = changed_params({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4})
    assert found == [("b", 2, 3), ("c", "–", 4)]


def test_the_page_shows_common_classes_and_is_the_same_twice():
    hostile = "<b>other</b>"
    page = render_comparison(run(), run(hostile))
    assert page == render_comparison(run(), run(hostile))
    assert hostile not in page
    assert page.count("<video") == 2  # of the class that both have
    assert "have the same latent in both runs" in page
    assert "The latents differ: 120 and 64 dimensions" in render_comparison(run(), run("b", 64))


def test_curves_of_both_runs_share_a_chart():
    events = [
        {"event": "evaluated", "step": step, "metrics": {"FVD": 9.0}, "verdict": "healthy"}
        for step in (1, 2, 3)
    ]
    page = render_comparison(run(events=events), run("two", events=events))
    assert '"names": ["one", "two"]' in page
    assert Charts(page).found == ["FVD"]


class Charts(HTMLParser):
    """The titles of the charts on a page."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name == "data-chart"]
