"""Two runs side by side: which of them is better, changed params, videos, escaped names."""

from html.parser import HTMLParser

from dvdgan.reporting.side_by_side import (
    ComparedRun,
    changed_params,
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


def test_the_word_is_about_the_first_run():
    low, high = run(fvd=metric(2.0, [1.9, 2.1])), run("two", fvd=metric(5.0, [4.9, 5.1], seed=9))
    assert "<td>better</td>" in render_comparison(low, high)
    assert "<td>worse</td>" in render_comparison(high, low)
    other = run("two", fvd=metric(5.0, [4.9, 5.1], clips=64))
    assert "not comparable<br><small>clips: 64 and 256</small>" in render_comparison(low, other)


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
