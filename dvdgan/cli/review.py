"""The command `dvdgan review`."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from dvdgan.cli.options import app


@app.command()
def review(
    base: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(
            help="Git revision to compare with.",
            show_default="merge base with the main branch, or the last commit",
        ),
    ] = None,
    write: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="Markdown file to write. A picture of samples (.gif) is written to the same "
            "folder.",
            show_default="standard output, without the picture",
        ),
    ] = None,
    devices: Annotated[int, typer.Option(min=1, help="GPUs to train on.")] = 1,
    price_per_hour: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0, help="Price of one device for an hour, in any currency."),
    ] = None,
) -> None:
    """Describe what the changes since a revision do and cost, as Markdown.

    Changed params with their meaning and the paper's values, stages that run again, cost of
    training, metrics and samples of both revisions. Warnings come first. No stage is run; metrics
    and model bundles are read from DVC's cache or remote (docs/review.md).

    \b
    dvdgan review
    dvdgan review origin/main --devices 8 --price-per-hour 2.50 --write review.md
    """
    from dvdgan.review.gather import Prices, gather
    from dvdgan.review.markdown import MARKER, markdown
    from dvdgan.storage.local import write_bytes
    from dvdgan.storage.output import check_output_file

    prices = Prices(devices, price_per_hour)
    if write is None:
        print(markdown(gather(Path(), base, prices)), end="")
        return
    check_output_file(write, lambda file: file.read_bytes().startswith(MARKER.encode()))
    picture = write.with_suffix(".gif")
    check_output_file(picture, lambda file: file.read_bytes().startswith(b"GIF8"))
    found = gather(Path(), base, prices, draws=True)
    if isinstance(found.samples, bytes):
        write_bytes(picture, found.samples)
    write_bytes(write, markdown(found, picture.name).encode())
    print(f"review: {write}")
