"""The cost of a model's networks as text: tables of layers, and savings of the paper's ideas."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dvdgan.config.schema import Clip, Model
    from dvdgan.models.cost import ModelCost, NetworkCost

COUNTS = ("", "K", "M", "G", "T", "P")
BYTES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
FLOAT_BYTES = 4
KINETICS_CLASSES = 600

EXPLAINED = """\
Multiply-adds and memory are those of one clip; memory is what a training forward keeps for the
backward pass, in float32."""


def known_classes(given: int | None, index: bytes | None, where: str) -> tuple[int, str]:
    """The number of classes of a model, and where it is from.

    ``index``: the shards' index.json at ``where``, which lists the classes; None: no such file.
    """
    if given is not None:
        return given, "--classes"
    if index is not None:
        return len(json.loads(index)["classes"]), where
    return KINETICS_CLASSES, f"Kinetics-600; there is no {where}"


def heading(params: Path, clip: "Clip", model: "Model", classes: str) -> str:
    """The model in one line."""
    given = model.conditioning_frames
    kind = f"{given} of them given, no classes" if given else classes
    size = f"{clip.resolution} x {clip.resolution}"
    return f"{params}: {clip.frames} frames of {size}, {kind}\n"


def cost_page(cost: "ModelCost", batch: int) -> str:
    """All tables; memory is that of a training forward on ``batch`` clips."""
    networks = {"G": cost.generator, **cost.discriminators}
    shape = " x ".join(map(str, cost.attention.shape))
    parts = [
        EXPLAINED,
        *(layer_table(name, network) for name, network in networks.items()),
        totals(networks, batch),
        f"{' + '.join(cost.discriminators)}, or one discriminator that sees the whole clip "
        f"(paper 3.1):\n{discriminators(cost, batch)}",
        f"Attention over height, width and time in turn, or over all of {shape} at once "
        f"(paper 3.2):\n{attention(cost)}",
    ]
    return "\n\n".join(parts)


def layer_table(name: str, network: "NetworkCost") -> str:
    """A line for each layer in the order they run in; multiply-adds and memory of one clip."""
    rows = [
        (
            layer.name,
            layer.kind,
            " x ".join(map(str, layer.output)) or "1",
            f"{layer.parameters:,}",
            count(layer.multiply_adds),
            memory(layer.kept),
        )
        for layer in network.layers
    ]
    rest = network.kept - sum(layer.kept for layer in network.layers)
    between = ("between them", "", "", "", "", memory(rest))
    total = (f"{network.parameters:,}", count(network.multiply_adds), memory(network.kept))
    head = (name, "layer", "output", "parameters", "multiply-adds", "memory")
    return table([head, *rows, between, ("in all", "", "", *total)], texts=3)


def totals(networks: dict[str, "NetworkCost"], batch: int) -> str:
    """A line for each network, and their sum."""
    found = networks.values()
    return table(
        [
            ("", "parameters", "multiply-adds", "memory", "fixed", f"for {batch:,} clips"),
            *(
                (
                    name,
                    f"{network.parameters:,}",
                    count(network.multiply_adds),
                    memory(network.kept),
                    memory(network.kept_once),
                    memory(network.kept_at(batch)),
                )
                for name, network in networks.items()
            ),
            (
                "together",
                f"{sum(network.parameters for network in found):,}",
                count(sum(network.multiply_adds for network in found)),
                memory(sum(network.kept for network in found)),
                memory(sum(network.kept_once for network in found)),
                memory(sum(network.kept_at(batch) for network in found)),
            ),
        ]
    )


def discriminators(cost: "ModelCost", batch: int) -> str:
    """What D_S and D_T cost together, and one discriminator that sees the whole clip."""
    ours, full = list(cost.discriminators.values()), cost.full_discriminator
    names = " + ".join(cost.discriminators)
    work = sum(network.multiply_adds for network in ours)
    kept = sum(network.kept_at(batch) for network in ours)
    pixels = sum(cost.pixels_seen.values())
    return table(
        [
            ("", "pixels", "multiply-adds", f"memory for {batch:,} clips"),
            (names, f"{pixels:,}", count(work), memory(kept)),
            (
                "whole clip, 3-D",
                f"{cost.clip_pixels:,}",
                count(full.multiply_adds),
                memory(full.kept_at(batch)),
            ),
            (
                "ratio",
                times(cost.clip_pixels / pixels),
                times(full.multiply_adds / work),
                times(full.kept_at(batch) / kept),
            ),
        ]
    )


def attention(cost: "ModelCost") -> str:
    """G's separable attention, and full attention at the same place."""
    found = cost.attention
    few, many = found.separable_weights, found.full_weights
    work, full_work = found.separable.multiply_adds, found.full.multiply_adds
    return table(
        [
            ("", "largest weight tensor", "as float32", "multiply-adds"),
            ("in turn", f"{few:,}", memory(few * FLOAT_BYTES), count(work)),
            ("at once", f"{many:,}", memory(many * FLOAT_BYTES), count(full_work)),
            ("ratio", times(many / few), "", times(full_work / work)),
        ]
    )


def count(value: float) -> str:
    """A number with three digits and a power of 1000: 404 G."""
    return _scaled(value, COUNTS, 1000)


def memory(value: float) -> str:
    """Bytes with three digits and a power of 1024: 1.20 GiB."""
    return _scaled(value, BYTES, 1024)


def times(value: float) -> str:
    """A factor with three digits: 2.86x."""
    return f"{_three_digits(value)}x"


def table(rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """Aligned columns: the first ``texts`` to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (
            cell.ljust(width) if number < texts else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _scaled(value: float, units: Sequence[str], step: int) -> str:
    for unit in units:
        if value < 999.5 or unit == units[-1]:
            break
        value /= step
    digits = f"{value:,.0f}" if unit == units[0] else _three_digits(value)
    return f"{digits} {unit}".rstrip()


def _three_digits(value: float) -> str:
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:,.{digits}f}"
