"""Truncation as a curve, FID over IS: fidelity bought with variety (paper 4.4)."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup
from matplotlib.figure import Figure

from dvdgan.reporting.curves import INK, svg


def truncation_chart(curves: Mapping[str, Sequence[tuple[float, float, float]]]) -> Markup:
    """One SVG element: IS to the right, FID upwards, as BigGAN draws it; lower right is better.

    curves: a line for each name, of (level, FID, IS) in the order of levels; each point is marked
    with its level.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for name, points in curves.items():
            fids, scores = [fid for _, fid, _ in points], [score for *_, score in points]
            axes.plot(scores, fids, label=name, linewidth=1.4, marker="o", markersize=4)
            for level, fid, score in points:
                axes.annotate(
                    f"{level:g}", (score, fid), (4, 4), textcoords="offset points", fontsize=7
                )
        axes.set_xlabel("IS")
        axes.set_ylabel("FID")
        axes.grid(alpha=0.15, color=INK)
        if len(curves) > 1:
            axes.legend(frameon=False)

    return svg("truncation", draw)
