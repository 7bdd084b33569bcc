"""Truncation as a curve, FID over IS: fidelity bought with variety (paper 4.4)."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup
from matplotlib.figure import Figure

from dvdgan.reporting.curves import INK, svg


def truncation_chart(points: Sequence[Mapping[str, float]]) -> Markup:
    """One SVG element: IS to the right, FID upwards, as BigGAN draws it; lower right is better.

    points: level, FID and IS of each; marked with their levels.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        in_order = sorted(points, key=lambda point: point["level"])
        at = [(point["IS"], point["FID"]) for point in in_order]
        axes.plot(*zip(*at, strict=True), linewidth=1.4, marker="o", markersize=4)
        for point, place in zip(in_order, at, strict=True):
            axes.annotate(
                f"{point['level']:g}", place, (4, 4), textcoords="offset points", fontsize=7
            )
        axes.set_xlabel("IS")
        axes.set_ylabel("FID")
        axes.grid(alpha=0.15, color=INK)

    return svg("truncation", draw)
