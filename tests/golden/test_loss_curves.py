"""Twenty steps of small presets' training: a change of numerics shows, and must be owned up to.

In double precision, two clips a batch: training amplifies rounding, and from 1e-16 it stays far
below what a change of numerics does. demo has the operations of moving_shapes and smaller
networks.
"""

from pathlib import Path

import pytest
import torch
from golden_files import ADVICE, FOLDER, WRITING
from loss_curve import (
    Curve,
    as_table,
    first_state,
    float64,
    from_table,
    loss_curve,
    narrowed,
)

from dvdgan.config import Config, load_config

PRESETS = Path(__file__).resolve().parents[2] / "presets"
CURVES = FOLDER / "curves"
# small_folder is moving_shapes at 64 pixels.
NAMES = ["moving_shapes", "moving_shapes_prediction"]

# Of a figure, or of 1 where it is smaller. Measured over twenty steps: two threads instead of one,
# or weights that differ in the last bit of a float64, move a figure by up to 4e-13; weights that
# differ by 1e-7, a last bit of float32, by 3e-7 at the first step.
TOLERANCE = 1e-9


def preset(name: str) -> Config:
    return narrowed(load_config(PRESETS / f"{name}.yaml"))


def difference(before: Curve, now: Curve) -> str:
    """The first step at which a figure is another, all of them there; "" when none is."""
    if before.keys() != now.keys():
        return f"figures before: {', '.join(before)}\nfigures now: {', '.join(now)}"
    names = list(now)
    for step, values in enumerate(zip(*now.values(), strict=True), start=1):
        expected = [before[name][step - 1] for name in names]
        rows = [
            f"{name:<24} {old:>18.12g} {new:>18.12g} {abs(new - old) / max(1, abs(old)):>10.1e}"
            for name, old, new in zip(names, expected, values, strict=True)
        ]
        moved = [float(row.split()[-1]) for row in rows]
        if not max(moved) <= TOLERANCE:
            return "\n".join([f"step {step:<19} {'before':>18} {'now':>18} {'moved':>10}", *rows])
    return ""


@pytest.mark.parametrize("name", NAMES)
def test_twenty_steps_are_those_of_before(name: str) -> None:
    with float64():
        config = preset(name)
        now = loss_curve(config, first_state(config))
    path = CURVES / f"{name}.csv"
    if WRITING:
        CURVES.mkdir(exist_ok=True)
        path.write_text(as_table(now), encoding="utf-8")
    moved = difference(from_table(path.read_text(encoding="utf-8")), now)
    assert not moved, f"training of {name} computes something else than before:\n{moved}\n{ADVICE}"


@pytest.mark.parametrize("network", ["generator", "discriminators"])
def test_weights_that_differ_by_a_float32_s_last_bit_are_noticed(network: str) -> None:
    before = from_table((CURVES / "moving_shapes.csv").read_text(encoding="utf-8"))
    with float64():
        config = preset("moving_shapes")
        state = first_state(config)
        with torch.no_grad():
            for parameter in getattr(state, network).parameters():
                parameter.mul_(1 + 1e-7 * torch.randn(parameter.shape))
        now = loss_curve(config, state, steps=1)
    assert difference({name: values[:1] for name, values in before.items()}, now)


def test_a_difference_names_the_step_and_the_figures() -> None:
    before = {"loss": [1.0, 2.0, 3.0], "norm": [5.0, 6.0, 7.0]}
    now = {"loss": [1.0, 2.5, 9.0], "norm": [5.0, 6.0, 7.0]}
    told = difference(before, now).splitlines()
    assert told[0].split() == ["step", "2", "before", "now", "moved"]
    assert told[1].split() == ["loss", "2", "2.5", "2.5e-01"]
    assert told[2].split() == ["norm", "6", "6", "0.0e+00"]
    assert difference(before, before) == ""
    assert difference(before, {"loss": [1.0, float("nan"), 3.0], "norm": before["norm"]})
    assert "figures now: loss" in difference(before, {"loss": before["loss"]})


def test_a_table_keeps_what_the_tolerance_can_see() -> None:
    curve = {"loss": [1 / 3, -123456.789012345]}
    read = from_table(as_table(curve))
    assert difference(curve, read) == ""
