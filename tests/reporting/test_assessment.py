"""The verdict in words, from made-up metrics of every kind of run."""

import pytest

from dvdgan.reporting.assessment import assess


def metrics(fvd, precision=None, coverage=None, accuracy=None):
    named = {"FVD": fvd, "precision": precision, "coverage": coverage, "accuracy": accuracy}
    return {name: {"value": value} for name, value in named.items() if value is not None}


def measured(generated, real=None, diversity=None):
    controls = {"untrained generator": metrics(1000.0), "mean clip": metrics(400.0)}
    rows = {"a": {"diversity": diversity, "real_diversity": 2.0}}
    return {
        "generated": generated,
        "controls": controls | ({} if real is None else {"real test clips": real}),
        "details": {} if diversity is None else {"measured": {"per_class": rows}},
    }


REAL = metrics(10.0, 0.9, 0.8, 0.98)


@pytest.mark.parametrize(
    ("generated", "word"),
    [
        (metrics(50.0, 0.45, 0.4, 0.9), "learned"),
        (metrics(50.1, 0.45, 0.4, 0.9), "partly learned"),
        (metrics(50.0, 0.44, 0.4, 0.9), "partly learned"),
        (metrics(50.0, 0.45, 0.39, 0.9), "partly learned"),
        (metrics(50.0, 0.45, 0.4, 0.88), "partly learned"),
        (metrics(399.0, 0.091, 0.081, 0.3), "partly learned"),
        (metrics(401.0, 0.091, 0.081, 0.3), "not yet learned"),  # farther than the mean clip
        (metrics(399.0, 0.089, 0.081, 0.3), "not yet learned"),
        (metrics(399.0, 0.091, 0.079, 0.3), "not yet learned"),
    ],
)
def test_every_condition_decides_at_its_limit(generated, word):
    assert assess(measured(generated, REAL)).word == word


def test_clips_that_are_all_alike_have_collapsed_whatever_their_fvd():
    good = metrics(50.0, 0.5, 0.5, 0.95)
    assert assess(measured(good, REAL, diversity=0.2)).word == "learned"
    found = assess(measured(good, REAL, diversity=0.19))
    assert found.word == "collapsed"
    assert found.sentence == "Collapsed: videos of one class differ by 9.5% of what real ones do."


def test_without_test_clips_nothing_is_called_learned():
    found = assess(measured(metrics(11.0, 0.9, 0.9, 0.99)))
    assert (found.word, found.floor_ratio) == ("partly learned", None)
    assert found.sentence == "Partly learned: FVD is 11."


def test_the_sentence_names_the_floor_and_what_is_not_met():
    found = assess(measured(metrics(670.0, 0.07, 0.5, 0.95), REAL))
    assert found.sentence == (
        "Not yet learned: FVD is 67 times that of real test clips (at most 5 is needed), 0.67 "
        "times that of the untrained generator (at most 0.5 is needed), precision is 0.07 "
        "(at least 0.45 is needed)."
    )
    assert [each.metric for each in found.criteria if not each.met] == ["FVD", "precision"]


def test_metrics_that_do_not_tell_an_untrained_generator_from_real_clips_prove_nothing():
    """A poor feature network: all conditions but this one are met."""
    found = assess(measured(metrics(50.0, 0.9, 0.8, 0.98), REAL) | {"controls": controls(60.0)})
    assert found.word == "not yet learned"
    [unmet] = [each for each in found.criteria if not each.met]
    assert (unmet.metric, unmet.limit) == ("FVD", 30.0)
    assert "0.833 times that of the untrained generator" in found.sentence


def controls(untrained):
    return {"untrained generator": metrics(untrained), "real test clips": REAL}


def nearest(nearer, near_share, memorising):
    found = {"nearer": nearer, "near_share": near_share, "memorising": memorising}
    return {"memorisation": {"measured": {"nearest": found}}}


GOOD = metrics(11.0, 0.9, 0.8, 0.98)


def test_a_model_that_repeats_its_training_clips_has_not_learned_whatever_its_fvd():
    found = assess(measured(GOOD, REAL) | nearest(0.97, 0.9, memorising=True))
    assert found.sentence == (
        "Memorised: the model repeats its training clips: a generated video lies nearer to them "
        "than a real test clip does in 97% of all pairs."
    )
    poor = assess(measured(metrics(900.0), REAL) | nearest(0.97, 0.9, memorising=True))
    assert poor.word == "not yet learned"


@pytest.mark.parametrize(
    ("generated", "near_share", "words"),
    [
        (GOOD, 0.1, "no sign of memorising"),
        (GOOD, 0.11, "some generated videos may be copies"),
        (metrics(50.0, 0.45, 0.4), 0.0, "no sign of memorising"),
        (metrics(50.0, 0.44, 0.4), 0.0, "too far from real ones to judge"),
        (metrics(50.0), 0.0, "too far from real ones to judge"),
    ],
)
def test_copies_are_denied_only_where_samples_are_near_real_clips(generated, near_share, words):
    found = assess(measured(generated, REAL) | nearest(0.5, near_share, memorising=False))
    assert found.word != "memorised"
    assert words in found.copying


def test_without_test_clips_nothing_is_said_of_copies():
    assert assess(measured(GOOD, REAL)).copying is None
