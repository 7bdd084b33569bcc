"""The verb for published feature networks."""

from pathlib import Path
from typing import Annotated, Optional

import typer

from dvdgan.cli.options import app
from dvdgan.errors import UserError
from dvdgan.storage.output import check_output_folder


@app.command()
def convert(
    network: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(help="Its name, as the list shows it.", show_default="list all"),
    ] = None,
    source: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(help="File you downloaded; of a checkpoint, its folder or model.ckpt."),
    ] = None,
    write: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder to write.", show_default="weights/NETWORK"),
    ] = None,
    mean: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="C3D's mean clip, mean2.npz."),
    ] = None,
    labels: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Class names, one a line.", show_default="numbers"),
    ] = None,
    check: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="v_CricketShot_g04_c01_rgb.npy: compare with the published answer."),
    ] = None,
    epsilon: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0, help="Batch norm's, for a PyTorch file whose name is not listed."),
    ] = None,
) -> None:
    """Convert the published weights that the metrics need.

    Without arguments it lists the networks: what each is for, which file to get, from where, its
    size and identity. Nothing is downloaded. Every name, shape and checksum is checked.

    \b
    dvdgan convert i3d_k600 kinetics-i3d/data/checkpoints/rgb_scratch_kin600
    dvdgan convert c3d_ucf101 conv3d_deepnetA_ucf.npz --mean mean2.npz
    """
    from dvdgan.evaluation.networks.catalogue import CATALOGUE, listing

    if network is None:
        print(listing())
        return
    if network not in CATALOGUE:
        raise UserError(f"there is no network {network}", todo=f"choose {', '.join(CATALOGUE)}")
    known = CATALOGUE[network]
    if source is None:
        raise known.missing(known.folder)
    folder = write or known.folder
    check_output_folder(folder)
    from dvdgan.evaluation.networks.conversion import convert as convert_weights

    told = convert_weights(
        known, source, folder, mean=mean, labels=labels, check=check, epsilon=epsilon
    )
    print("\n".join([*told, f"convert: {network} -> {folder}"]))
