"""The verbs that set runs side by side."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from dvdgan.cli.options import app
from dvdgan.storage.output import check_output_folder, output_folder


@app.command()
def ablation(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders, or metrics.json files, at least one.")
    ],
    by: Annotated[
        list[str], typer.Option(help="Parameter that tells the groups apart; may be repeated.")
    ],
    write: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder for table.csv, table.md and figure.svg."),
    ] = None,
) -> None:
    """Compare runs by a parameter over seeds, as in the paper's figure 7.

    Mean and standard deviation of FID, IS and the rest over the runs of each value. A run is
    .runs/train/RUN, whose ledger has the metrics of every checkpoint, or a metrics.json with its
    params.yaml beside it (or the folder of both). All must be of one kind. Runs that differ in
    anything else than --by and their seeds, and numbers of unequal protocols, are refused.

    \b
    dvdgan ablation .runs/train/* --by model.spatial_frames --write figure7
    dvdgan ablation k1-seed0 k1-seed1 k8-seed0 k8-seed1 --by model.spatial_frames
    dvdgan ablation .runs/train/* --by model.block_norm --by model.output_norm
    """
    if write is not None:
        check_output_folder(write)
    from dvdgan.reporting.ablation import ablation as compared
    from dvdgan.reporting.ablation_runs import read_run
    from dvdgan.reporting.ablation_table import (
        csv_table,
        heading,
        markdown_table,
        measured_as,
        text_table,
    )

    found = compared([read_run(path) for path in runs], by)
    print(heading(found))
    print(text_table(found))
    print(measured_as(found))
    if write is not None:
        from dvdgan.reporting.ablation_figure import ablation_figure

        files = {
            "table.csv": csv_table(found),
            "table.md": markdown_table(found),
            "figure.svg": ablation_figure(found),
        }
        with output_folder(write) as folder:
            for name, text in files.items():
                (folder / name).write_text(text, encoding="utf-8")
        print(f"ablation: {', '.join(files)} -> {write}")
