"""Commands outside the pipeline: check, plan, listing, model, synthetic, ablation, convert."""

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from dvdgan.cli.options import PARAMS, Params, app
from dvdgan.errors import UserError
from dvdgan.storage.output import check_output_file, check_output_folder, output_folder


@app.command()
def check(
    params: Params = PARAMS,
    machine: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="Machine file.",
            show_default="that of DVDGAN_MACHINE, or machine.yaml if it exists",
        ),
    ] = None,
) -> None:
    """Check a params file and the machine file, and list every problem in them.

    Settings that cannot run are errors (exit code 2), and so are files below index.root that DVC
    cannot hash. Settings that can run but are likely mistakes are warnings. If the code was edited,
    it also reports whether dvdgan/numerics.json is out of date.

    The settings of this machine (docs/machine.md) are shown with their sources: machine.yaml, an
    environment variable, or the default. They cannot change results.
    """
    from dvdgan.config import load_config, warnings
    from dvdgan.data.raw_root import refuse_what_stops_dvc
    from dvdgan.machine import Machine
    from dvdgan.machine.table import machine_table
    from dvdgan.provenance.lock import refuse_outdated_lock

    config = load_config(params)
    settings = Machine.load(machine)
    found = warnings(config)
    refuse_outdated_lock()
    refuse_what_stops_dvc(config.index.root)
    for warning in found:
        print(f"warning: {warning}", file=sys.stderr)
    count = "1 warning" if len(found) == 1 else f"{len(found)} warnings"
    print(f"{params} is valid" + (f", with {count}" if found else ""))
    print(machine_table(settings))


@app.command()
def plan() -> None:
    """Show what `dvc repro` will run and why, and what it takes from its cache.

    Each stage is up to date, taken from the cache, runs, or may run, which depends on the outputs
    of an earlier stage. Nothing is run or written. Call it in the project's folder.
    """
    import subprocess

    from dvdgan.config import load_config

    load_config(Path("params.yaml"))
    if not Path("dvc.yaml").is_file():
        raise UserError(
            "dvc.yaml does not exist here",
            where=str(Path.cwd()),
            todo="run the command in the project's folder",
        )
    words = [sys.executable, "-m", "flows.plan"]
    done = subprocess.run(words, check=False, stdout=subprocess.PIPE, text=True)
    print(done.stdout, end="")  # the reader of this command's output may leave early
    raise typer.Exit(done.returncode)


@app.command()
def listing(
    file: Annotated[Path, typer.Argument(help="File to write, such as data/kinetics.listing.")],
    root: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Folder or s3://BUCKET/PREFIX to list.",
            show_default="the root of the existing FILE",
        ),
    ] = None,
) -> None:
    """List raw videos in a small file that DVC compares instead of the videos.

    The file holds the path, size, and modification time or ETag of every video; no video is opened.
    Set index.root to the file. After videos were added, changed or removed, run the command again,
    so that `dvc status` and `dvc repro` see the change (docs/raw_data.md). Use a listing for
    buckets, for more videos than DVC should hash, and for folders with pipes or dangling links,
    which DVC cannot hash.
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
        raise UserError(
            "the listing does not exist yet",
            where=str(file),
            todo="give --root, the folder or s3://BUCKET/PREFIX to list",
        )
    place = root or read_root(file)
    now = open_root(place).list()
    write_listing(now, place, file)
    print(
        f"listing: {len(now.files)} files below {place}, {len(now.refused)} unusable entries; "
        f"{describe_changes(before, now)} -> {file}"
    )


@app.command()
def model(
    params: Params = PARAMS,
    classes: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1,
            help="Number of classes in the data set.",
            show_default="that of artifacts/shards, else 600",
        ),
    ] = None,
    batch: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1, help="Clips per batch of one process.", show_default="train.batch_size"
        ),
    ] = None,
) -> None:
    """Show the layers of the networks and their cost.

    The output lists shapes, parameters, multiply-adds and memory of G, D_S and D_T, and what D_S
    and D_T save compared with one discriminator on whole clips. No memory is allocated, so every
    model can be shown on every machine: dvdgan model --params presets/table1_48x128.yaml --batch 8
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
    root: Annotated[
        Path, typer.Argument(help="Folder to create. An existing folder is not changed.")
    ],
    videos_per_class: Annotated[int, typer.Option(min=2, help="Videos in each class.")] = 24,
    size: Annotated[int, typer.Option(min=32, max=256, help="Width and height, pixels.")] = 64,
    frames: Annotated[int, typer.Option(min=2, max=256, help="Frames per video.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="Shapes, colours and speeds.")] = 0,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="Draw easier videos: each shows the motion of its class once, near the same "
            "place and in nearly the same colour, without a frame number.",
        ),
    ] = False,
) -> None:
    """Create a small data set of videos of moving shapes.

    The bar of grey blocks at the bottom of each frame encodes the frame number in binary. A model
    learns the videos made with --plain, which `make demo` uses, in minutes.
    """
    from dvdgan.data.synthetic import write_synthetic

    if not write_synthetic(root, videos_per_class, size, frames, seed, plain):
        print(f"{root} already exists")
        return
    print(f"synthetic: videos of moving shapes -> {root}")


@app.command()
def ablation(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders or results.json files; at least one.")
    ],
    by: Annotated[
        list[str], typer.Option(help="Parameter by which runs are grouped; may be repeated.")
    ],
    write: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Folder for table.csv, table.md and figure.svg."),
    ] = None,
) -> None:
    """Compare runs by a parameter over seeds, as in the paper's figure 7.

    Prints mean and standard deviation of all metrics over the runs of each value. A run is a folder
    .runs/train/RUN, whose ledger has the metrics of every checkpoint, or a results.json with its
    params.yaml in the same folder. All runs must be of the same kind. Runs that differ in more than
    --by and their seeds are refused, and so are metrics of different protocols.

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
        typer.Argument(help="Name of the network.", show_default="list all networks"),
    ] = None,
    source: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(
            help="The downloaded file; for a TensorFlow checkpoint, its folder or model.ckpt."
        ),
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
        typer.Option(
            help="Path of v_CricketShot_g04_c01_rgb.npy, to compare the network's output with "
            "the published one."
        ),
    ] = None,
    epsilon: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            min=0, help="Epsilon of batch norm, for a PyTorch file that is not in the list."
        ),
    ] = None,
) -> None:
    """Convert the published weights that the metrics need.

    Without arguments, it lists the networks with purpose, URL, size and hash of each file. You
    download the file yourself. Every name, shape and checksum is checked.

    \b
    dvdgan convert i3d_k600 kinetics-i3d/data/checkpoints/rgb_scratch_kin600
    dvdgan convert c3d_ucf101 conv3d_deepnetA_ucf.npz --mean mean2.npz
    """
    from dvdgan.evaluation.networks.catalogue import CATALOGUE, listing

    if network is None:
        print(listing())
        return
    if network not in CATALOGUE:
        raise UserError(f"unknown network {network}", todo=f"choose {', '.join(CATALOGUE)}")
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
