"""The chart of a scaling prediction: speed over GPUs, and what the time goes to."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from dvdgan.reporting.figures import COLOURS, INK, svg


def scaling_chart(
    title: str,
    gpus: Sequence[int],
    clips_per_second: Sequence[float],
    shares: Mapping[str, Sequence[float]],
) -> Markup:
    """Clips per second over GPUs, both logarithmic, next to perfect scaling; below it, shares of
    the time as stacked areas.

    shares: name -> share at each number of GPUs, 0 to 1. Names that stay below 1% are left out.
    """

    def draw(figure: Figure) -> None:
        speed, parts = figure.subplots(2, 1, sharex=True)
        speed.plot(gpus, clips_per_second, marker="o", markersize=4, label="predicted")
        ideal = [clips_per_second[0] * each / gpus[0] for each in gpus]
        speed.plot(gpus, ideal, linestyle=":", color=INK, label="perfect scaling")
        speed.set_xscale("log", base=2)
        speed.set_yscale("log")
        speed.set_title(title)
        speed.set_ylabel("clips/s")
        shown = {name: values for name, values in shares.items() if max(values) >= 0.01}
        colours = [COLOURS[number % len(COLOURS)] for number in range(len(shown))]
        parts.stackplot(gpus, *shown.values(), labels=list(shown), colors=colours, alpha=0.8)
        parts.set_ylim(0, 1)
        parts.yaxis.set_major_formatter(PercentFormatter(1))
        parts.set_xticks(list(gpus), [str(each) for each in gpus])
        parts.set_xlabel("GPUs")
        parts.set_ylabel("share of the time")
        for axes in (speed, parts):
            axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)

    return svg(f"scaling {title}", draw, width=6.4, height=4.8)
