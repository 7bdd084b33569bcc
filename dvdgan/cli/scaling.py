"""The command `dvdgan scaling`."""

from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from dvdgan.cli.options import PARAMS, app


@app.command()
def scaling(
    files: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Argument(
            help="Params files, such as presets/*.yaml.", show_default=str(PARAMS), metavar="FILE"
        ),
    ] = None,
    gpus: Annotated[
        Optional[list[int]],  # noqa: UP045
        typer.Option(min=1, help="Number of GPUs; can be repeated.", show_default="8, 64, 512"),
    ] = None,
    card: Annotated[Literal["h100", "h200", "a100"], typer.Option(help="Kind of GPU.")] = "h100",
    precision: Annotated[
        Optional[Literal["fp32", "bf16", "fp16"]],  # noqa: UP045
        typer.Option(help="Instead of train.precision.", show_default="that of each file"),
    ] = None,
    gpus_per_node: Annotated[int, typer.Option(min=1, help="GPUs of a node.")] = 8,
    network_gbps: Annotated[
        float, typer.Option(min=0.1, help="Network of a node, gigabits per second.")
    ] = 3200,
    rate: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            min=0.001,
            help="Tera multiply-adds per second that one GPU reaches in a train step.",
            show_default="measured on an H100 in bf16, else estimated",
        ),
    ] = None,
    from_run: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--from", metavar="RUN", help="Run folder, .runs/train/..., whose speed gives the rate."
        ),
    ] = None,
    loader_workers: Annotated[
        int, typer.Option(min=0, help="Loader processes per GPU (DVDGAN_LOADER_WORKERS).")
    ] = 2,
    from_store: Annotated[
        bool, typer.Option("--from-store", help="Clips are read from a store without a cache.")
    ] = False,
    node_mtbf_hours: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            min=0.1,
            help="Mean hours between failures of one node.",
            show_default="Llama 3's: 6,335",
        ),
    ] = None,
    price_per_hour: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0, help="Price of one GPU for an hour, in any currency."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    picture: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="SVG to write: speed and shares over GPUs, for one file."),
    ] = None,
) -> None:
    """Predict clips/s, hours, cost and limits of training on many GPUs.

    The work of a train step is counted from the networks; rates come from measurements on one H100
    or, where there is none, from data sheets, which the output states. Nothing is trained. For each
    number of GPUs it shows what breaks first and the change that would move it. docs/scaling.md has
    the equations, the assumptions and a comparison with measured runs.

    \b
    dvdgan scaling presets/table1_12x64.yaml --precision bf16 --price-per-hour 2.50
    dvdgan scaling --gpus 16 --gpus 32 --network-gbps 100
    dvdgan scaling --from .runs/train/FINGERPRINT --gpus 8
    """
    from dvdgan.scaling.command import ClusterOptions, check_picture, predict_files, write_picture

    machine = ClusterOptions(
        card,
        gpus_per_node,
        network_gbps,
        rate,
        from_run,
        loader_workers,
        from_store,
        node_mtbf_hours,
    )
    params = files or [PARAMS]
    if picture is not None:
        check_picture(picture, params)
    found = predict_files(params, gpus or [8, 64, 512], machine, precision)
    if picture is not None:
        write_picture(picture, found)
    print(found.json(price_per_hour) if json else found.text(price_per_hour))
