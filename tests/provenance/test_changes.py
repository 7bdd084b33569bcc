"""What changed between two states of the code, as a person reads it."""

from dvdgan.provenance.changes import changes, normalised_code

BEFORE = {
    "models/leak.py": 'SLOPE = 0.2\n\n\nclass Leak:\n    """Leaks."""\n\n'
    "    def forward(self, x):\n        return x * SLOPE\n",
    "models/same.py": "def f(x):\n    return x  # as it is\n",
    "models/gone.py": "def g():\n    return 1\n",
}
AFTER = BEFORE | {
    "models/leak.py": BEFORE["models/leak.py"].replace("* SLOPE", "/ SLOPE") + "\n\ndef h(): ...\n",
    "models/same.py": BEFORE["models/same.py"].replace("as it is", "unchanged"),
    "models/new.py": "SIZE = 3\n",
}
del AFTER["models/gone.py"]


def test_files_and_functions_are_named() -> None:
    assert list(map(str, changes(BEFORE, AFTER))) == [
        "models/gone.py (g (gone))",
        "models/leak.py (Leak.forward, h (new))",
        "models/new.py (module level)",
    ]


def test_the_difference_is_of_lines_that_can_move_a_number() -> None:
    [_, leak, _] = changes(BEFORE, AFTER)
    assert leak.diff[:2] == ["--- models/leak.py (of the run)", "+++ models/leak.py (now)"]
    assert "-        return x * SLOPE" in leak.diff
    assert "+        return x / SLOPE" in leak.diff
    assert not [line for line in leak.diff if "Leaks." in line]


def test_a_comment_is_no_change_and_what_a_run_keeps_is_as_good_as_the_code() -> None:
    assert changes(BEFORE, normalised_code(BEFORE)) == []
    kept, now = normalised_code(BEFORE), normalised_code(AFTER)
    assert changes(kept, now) == changes(BEFORE, AFTER)
