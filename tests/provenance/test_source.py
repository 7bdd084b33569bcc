"""What an edit of a module changes in its digest: what can move a number, and nothing else."""

import pytest

from dvdgan.provenance.source import definitions, digest, normalised

MODULE = '''"""A network."""

import torch

SLOPE = 0.2  # as in the paper
"""Of the leak."""


class Leak:
    """Leaks."""

    def forward(self, x):
        """x: (B, C)."""
        assert x.ndim == 2, "rows"
        if x.shape[0] < 2:
            raise UserError(f"a batch of {len(x)}", todo="set train.batch_size")
        print("leaking", x.shape)
        return torch.where(x > 0, x, SLOPE * x)
'''


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("# as in the paper", "# ours"),
        ('"""A network."""', '"""Some network.\n\nOf two layers."""'),
        ('"""Of the leak."""\n', ""),
        ('"""x: (B, C)."""', '"""Rows."""'),
        ("SLOPE * x)", "\n            SLOPE * x,\n        )"),
        ("import torch\n", "import torch\n\n\n"),
        ('"rows"', '"x has to be rows"'),
        ('f"a batch of {len(x)}", todo="set train.batch_size"', '"too few clips"'),
        ('print("leaking", x.shape)', 'print("leaking")'),
        ('        print("leaking", x.shape)\n', ""),
    ],
)
def test_comments_docstrings_layout_and_messages_change_nothing(text: str, instead: str) -> None:
    assert text in MODULE
    edited = MODULE.replace(text, instead)
    assert edited != MODULE
    assert digest(edited) == digest(MODULE)
    assert normalised(edited) == normalised(MODULE)


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("0.2", "0.3"),
        ("0.2", "float('0.2')"),
        ("x > 0", "x >= 0"),
        ("x.ndim == 2", "x.ndim == 3"),
        ("< 2", "< 3"),
        ("import torch", "import numpy as torch"),
        ("SLOPE * x", "x * SLOPE"),
        ("raise UserError", "raise ValueError"),
        ("self, x", "self, x, y=1"),
    ],
)
def test_whatever_can_move_a_number_changes_the_digest(text: str, instead: str) -> None:
    edited = MODULE.replace(text, instead)
    assert digest(edited) != digest(MODULE)
    assert digest(normalised(edited)) == digest(edited)


def test_zero_nothing_and_an_empty_list_differ() -> None:
    values = ("0", "None", "[]", "()", "False", "0.0", "''", "b''", "{}")
    assert len({digest(f"x = {value}") for value in values}) == len(values)


def test_the_digest_is_the_same_in_every_version_of_python() -> None:
    """f-strings, type parameters and empty lists are where versions print trees differently."""
    source = "def f(a, /, *b: int, c=1, **d) -> str:\n    return f'{a!r:>{c}} {d=}' 'more'\n"
    assert digest(source) == "bd4ab46395e5f13c"


def test_definitions_are_named() -> None:
    assert definitions(MODULE).keys() == {"Leak", "Leak.forward", "module level"}
    edited = definitions(MODULE.replace("x > 0", "x >= 0"))
    assert [name for name, text in definitions(MODULE).items() if edited[name] != text] == [
        "Leak.forward"
    ]
