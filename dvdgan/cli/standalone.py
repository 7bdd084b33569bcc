"""Commands beside the pipeline: check, plan, listing, model, synthetic, ablation, convert."""

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from dvdgan.cli.options import PARAMS, Params, app
from dvdgan.errors import UserError
from dvdgan.storage.output import check_output_file, check_output_folder, output_folder


@app.command()
def check(params: Params = PARAMS) -> None:
    """Check a params file and list every problem in it.

    What cannot run is an error (exit code 2), also files below index.root at which DVC stops. What
    can run, but is likely a mistake, is a warning.
    After an edit of the code it also reports whether dvdgan/numerics.json is out of date.
    """
    from dvdgan.config import load_config, warnings
    from dvdgan.data.raw_root import refuse_what_stops_dvc
    from dvdgan.provenance.lock import refuse_outdated_lock

    config = load_config(params)
    found = warnings(config)
    refuse_outdated_lock()
    refuse_what_stops_dvc(config.index.root)
    for warning in found:
        print(f"warning: {warning}", file=sys.stderr)
    count = "1 warning" if len(found) == 1 else f"{len(found)} warnings"
    print(f"{params} is in order" + (f", with {count}" if found else ""))


@app.command()
def plan() -> None:
    """Show what `dvc repro` will run and why, and what it takes from its cache.

    Per stage: up to date, from the cache, runs, or may run, which is decided by the outputs of the
    stage it waits for. Nothing is run or written. To be called in the project's folder.
    """
    import subprocess

    from dvdgan.config import load_config

    load_config(Path("params.yaml"))
    if not Path("dvc.yaml").is_file():
        raise UserError(
            "there is no dvc.yaml", where=str(Path.cwd()), todo="go to the project's folder"
        )
    done = subprocess.run([sys.executable, "-m", "flows.plan"], check=False)
    raise typer.Exit(done.returncode)


@app.command()
def listing(
    file: Annotated[Path, typer.Argument(help="File to write, such as data/kinetics.listing.")],
    root: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Folder or s3://BUCKET/PREFIX to list.", show_default="that of the existing FILE"
        ),
    ] = None,
) -> None:
    """List raw videos in a small file, which DVC compares in place of the videos.

    Path, size, and time of change or ETag of every file; nothing is opened. Name the file in
    index.root. Run the command again when videos were added, changed or removed: `dvc status` and
    `dvc repro` then see it (docs/raw_data.md). For buckets, for more videos than DVC should hash,
    and for folders with pipes or dangling links, at which DVC stops.
    """
    from collections import Counter

    from dvdgan.data.listing import Listing
    from dvdgan.data.listing_file import (
        describe_changes,
        is_listing,
        read_listing,
        read_root,
        write_listing,
    )
    from dvdgan.data.raw_root import open_root

    check_output_file(file, is_listing)
    before = read_listing(file) if file.exists() else Listing([], Counter())
    if root is None and not file.exists():
        raise UserError("there is no listing yet", where=str(file), todo="name its --root")
    place = root or read_root(file)
    now = open_root(place).list()
    write_listing(now, place, file)
    print(
        f"listing: {len(now.files)} files below {place}, {len(now.refused)} that are none; "
        f"{describe_changes(before, now)} -> {file}"
    )


@app.command()
def model(
    params: Params = PARAMS,
    classes: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Of the data set.", show_default="as artifacts/shards, else 600"),
    ] = None,
    batch: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=1, help="Clips in one process's batch.", show_default="train.batch_size"),
    ] = None,
) -> None:
    """Show the networks layer by layer and what they cost.

    Output shapes, parameters, multiply-adds and memory of G, D_S and D_T, and what the paper's two
    ideas save. Nothing is allocated, so that any model can be shown on any machine:
    dvdgan model --params presets/table1_48x128.yaml --batch 8
    """
    from dvdgan.config import load_config

    config = load_config(params)
    from dvdgan.data.shard_source import INDEX, open_shards
    from dvdgan.models import build
    from dvdgan.models.cost import model_cost
    from dvdgan.reporting import costs
    from dvdgan.stages.artefacts import SHARDS

    shards = open_shards(SHARDS)
    try:
        index = shards.read_all(INDEX)
    except FileNotFoundError:
        index = None
    number, source = costs.known_classes(classes, index, shards.where(INDEX))
    sections = (config.model, config.clip, number)
    networks = build.generator_architecture(*sections), build.discriminator_architecture(*sections)
    cost = model_cost(*networks, k=config.model.spatial_frames)
    print(costs.heading(params, config.clip, config.model, f"{number} classes ({source})"))
    print(costs.cost_page(cost, batch or config.train.batch_size))


@app.command()
def synthetic(
    root: Annotated[Path, typer.Argument(help="Folder to create; an existing one is not changed.")],
    videos_per_class: Annotated[int, typer.Option(min=2, help="Videos in each class.")] = 24,
    size: Annotated[int, typer.Option(min=32, max=256, help="Width and height, pixels.")] = 64,
    frames: Annotated[int, typer.Option(min=2, max=256, help="Frames per video.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="Shapes, colours and speeds.")] = 0,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain", help="A size, a speed and a colour for each class, no frame numbers."
        ),
    ] = False,
) -> None:
    """Create a small data set of videos of moving shapes.

    The bar of grey blocks at the bottom of each frame is its number in binary. A model learns the
    shapes with --plain in minutes; `make demo` takes them.
    """
    from dvdgan.data.synthetic import write_synthetic

    if not write_synthetic(root, videos_per_class, size, frames, seed, plain):
        print(f"{root} already exists")
        return
    print(f"synthetic: videos of moving shapes -> {root}")


@app.command()
def ablation(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders, or results.json files, at least one.")
    ],
    by: Annotated[list[str], typer.Option(help="Parameter to group runs by; may be repeated.")],
    write: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder for table.csv, table.md and figure.svg."),
    ] = None,
) -> None:
    """Compare runs by a parameter over seeds, as in the paper's figure 7.

    Mean and standard deviation of all metrics over the runs of each value. A run is
    .runs/train/RUN, whose ledger has the metrics of every checkpoint, or a results.json with its
    params.yaml beside it (or the folder of both). All must be of one kind. Runs that differ in
    anything but --by and their seeds, and metrics of unequal protocols, are refused.

    \b
    dvdgan ablation .runs/train/* --by model.spatial_frames --write figure7
    dvdgan ablation k1-seed0 k1-seed1 k8-seed0 k8-seed1 --by model.spatial_frames
    dvdgan ablation .runs/train/* --by model.block_norm --by model.output_norm
    """
    if write is not None:
        check_output_folder(write)
    from dvdgan.reporting.ablation import compare_runs, read_run
    from dvdgan.reporting.ablation_tables import (
        csv_table,
        heading,
        markdown_table,
        measured_as,
        text_table,
    )

    found = compare_runs([read_run(path) for path in runs], by)
    print(heading(found))
    print(text_table(found))
    print(measured_as(found))
    if write is not None:
        from dvdgan.reporting.figures import ablation_figure

        files = {
            "table.csv": csv_table(found),
            "table.md": markdown_table(found),
            "figure.svg": ablation_figure(found),
        }
        with output_folder(write) as folder:
            for name, text in files.items():
                (folder / name).write_text(text, encoding="utf-8")
        print(f"ablation: {', '.join(files)} -> {write}")


@app.command()
def convert(
    network: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(help="Its name in the list.", show_default="list all"),
    ] = None,
    source: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(help="The downloaded file; for a checkpoint, its folder or model.ckpt."),
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
        typer.Option(help="File of class names, one per line.", show_default="numbers"),
    ] = None,
    check: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="v_CricketShot_g04_c01_rgb.npy: compare with the published output."),
    ] = None,
    epsilon: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0, help="Batch norm's, for a PyTorch file whose name is not listed."),
    ] = None,
) -> None:
    """Convert the published weights that the metrics need.

    Without arguments it lists the networks: the purpose of each, which file to download from where,
    its size and hash. Nothing is downloaded. Every name, shape and checksum is checked.

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

    lines = convert_weights(
        known, source, folder, mean=mean, labels=labels, check=check, epsilon=epsilon
    )
    print("\n".join([*lines, f"convert: {network} -> {folder}"]))
