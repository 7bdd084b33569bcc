"""The command line: one verb per stage, and three that help around them."""

import os
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from dvdgan.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR, InterruptedRunError, UserError
from dvdgan.guard.interruption import interrupt_on_signals
from dvdgan.guard.lifeline import die_with_parent

app = typer.Typer(
    name="dvdgan",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="""Train, watch and evaluate DVD-GAN, a class-conditional video GAN.

    Each stage of the pipeline is one verb; `dvc repro` runs them in order and skips what is up to
    date. All that moves a number stands in params.yaml.

    Exit codes: 0 done; 2 something for you to mend, said in words; 75 interrupted, the same command
    goes on where it stopped.
    """,
)

Params = Annotated[
    Path, typer.Option(help="The experiment: every parameter of every stage.", show_default=True)
]
Workers = Annotated[
    Optional[int],  # noqa: UP045  (typer reads the annotation at run time)
    typer.Option(
        min=1, help="Processes to use; changes no byte of the result.", show_default="cores"
    ),
]
PARAMS = Path("params.yaml")


@app.command()
def index(params: Params = PARAMS, workers: Workers = None) -> None:
    """Probe every video; accept or refuse it, with the reason.

    Reads <index.root>/<class>/<video>. Writes artifacts/index: manifest.parquet, refused.csv.
    """
    from dvdgan.config import load_config
    from dvdgan.stages import index as stage

    stage.run(load_config(params), workers)


@app.command()
def shard(params: Params = PARAMS, workers: Workers = None) -> None:
    """Decode once, resize, write WebDataset tars.

    Which videos a tar holds follows from the manifest and the params alone. Reads artifacts/index
    and the videos. Writes artifacts/shards: *.tar, index.json, samples.parquet. Interrupted, it
    keeps its finished shards and goes on.
    """
    from dvdgan.config import load_config
    from dvdgan.stages import shard as stage

    stage.run(load_config(params), workers)


@app.command()
def features(params: Params = PARAMS) -> None:
    """Train the network whose features FID, IS and FVD compare.

    A small I3D on the data set's own classes. Reads artifacts/shards, writes artifacts/features.
    """
    from dvdgan.config import load_config
    from dvdgan.stages import features as stage

    stage.run(load_config(params))


@app.command()
def reference(params: Params = PARAMS) -> None:
    """Measure the real clips that generated ones are compared with.

    Over the whole training split, in float64. Writes artifacts/reference.
    """
    from dvdgan.config import load_config
    from dvdgan.stages import reference as stage

    stage.run(load_config(params))


@app.command()
def train(params: Params = PARAMS) -> None:
    """Train under supervision; end with the best good checkpoint.

    G learns against D_S and D_T. Each checkpoint is evaluated and judged as it comes; on collapse
    the run goes back to the last good one with new draws and lower learning rates. Works in
    .runs/train/<fingerprint>: after Ctrl-C, kill or a crash, the same command resumes. Writes
    artifacts/train.

    Environment: DVDGAN_LAUNCHER="torchrun --nproc-per-node 8 -m" for many processes,
    DVDGAN_LOADER_WORKERS=4 to load clips in processes of their own, PREFECT_API_URL to show every
    step in Prefect.
    """
    from dvdgan.config import load_config
    from dvdgan.stages import train as stage

    stage.run(load_config(params))


@app.command()
def export(params: Params = PARAMS) -> None:
    """Write the model bundle that users sample from.

    Averaged weights, standing statistics, spectral norm baked in. Reads artifacts/train. Writes
    artifacts/model, which dvdgan.export.sampler.Sampler loads.
    """
    from dvdgan.config import load_config
    from dvdgan.stages import export as stage

    stage.run(load_config(params))


@app.command()
def evaluate(
    params: Params = PARAMS,
    checkpoint: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Measure this checkpoint of a run instead of the bundle."),
    ] = None,
    write: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="With --checkpoint: also write the metrics to this JSON file."),
    ] = None,
) -> None:
    """Measure FID, FVD, IS and accuracy, beside their controls.

    Reads artifacts/model, features, reference. Writes artifacts/evaluate: metrics.json with the
    full protocol of every number, features of the generated clips.
    """
    from dvdgan.stages import evaluate as stage

    if checkpoint is not None:
        stage.run_checkpoint(checkpoint, write)
        return
    from dvdgan.config import load_config

    stage.run(load_config(params))


@app.command()
def monitor(params: Params = PARAMS) -> None:
    """Report the drift of generated from real clips (Evidently).

    Reads artifacts/evaluate, artifacts/reference. Writes artifacts/monitor: report.html,
    report.json, summary.json.
    """
    from dvdgan.config import load_config
    from dvdgan.stages import monitor as stage

    stage.run(load_config(params))


@app.command()
def report(
    params: Params = PARAMS,
    show: Annotated[
        bool, typer.Option("--show", help="Only print the last report's numbers and its path.")
    ] = False,
) -> None:
    """Write the one page a person looks at, and print the numbers.

    Samples, curves, metrics, params, refused files. Reads all artefacts. Writes
    artifacts/report/index.html, which needs no network.
    """
    from dvdgan.config import load_config
    from dvdgan.stages import report as stage

    if show:
        stage.show()
    else:
        stage.run(load_config(params), params)


@app.command()
def check(params: Params = PARAMS) -> None:
    """Check a params file: every problem at once, in words."""
    from dvdgan.config import load_config

    load_config(params)
    print(f"{params} is in order")


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
    """Show the networks layer by layer, and what they cost.

    Output shapes, parameters, multiply-adds and memory of G, D_S and D_T, and what the paper's two
    ideas save. Nothing is allocated, so that any machine can look at any model:
    dvdgan model --params presets/table1_48x128.yaml --batch 8
    """
    from dvdgan.config import load_config

    config = load_config(params)
    from dvdgan.models import build, savings
    from dvdgan.reporting import costs
    from dvdgan.stages.artefacts import SHARDS

    number, source = costs.known_classes(classes, SHARDS / "index.json")
    sections = (config.model, config.clip, number)
    networks = build.generator_architecture(*sections), build.discriminator_architecture(*sections)
    cost = savings.model_cost(*networks, k=config.model.spatial_frames)
    print(costs.heading(params, config.clip, config.model, f"{number} classes ({source})"))
    print(costs.cost_page(cost, batch or config.train.batch_size))


@app.command()
def sample(
    bundle: Annotated[Path, typer.Argument(help="Folder written by `dvdgan export`.")] = Path(
        "artifacts/model"
    ),
    write: Annotated[
        Path, typer.Option(help="Folder for samples.mp4 and samples.png; replaced if it exists.")
    ] = Path("samples"),
    names: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--class", help="Class to sample; may be repeated. [default: the first 8]"),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=64, help="Videos of each class.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Video i of a seed is always the same.")] = 0,
    truncation: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            min=0.01, help="Standard deviation of z; less than 1 is better and less varied."
        ),
    ] = None,
    resampled: Annotated[
        bool,
        typer.Option(help="Read --truncation as BigGAN's bound: values beyond it drawn again."),
    ] = False,
    between: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Interpolate: `latents` within a class, or the first two `classes`."),
    ] = None,
    start: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Video file to continue, for a model that predicts frames."),
    ] = None,
) -> None:
    """Make videos with a trained model.

    A row a class, the same latents in each. Truncation (paper 4.4), interpolation in z and between
    classes (paper Figs. 8, 9), frame prediction (paper A.4). Needs no params.yaml.

    \b
    dvdgan sample artifacts/model --truncation 0.44
    dvdgan sample artifacts/model --between classes --class wave --class bend
    dvdgan sample artifacts/model --start clip.mp4
    """
    from dvdgan.export import sheets
    from dvdgan.export.sampler import Sampler
    from dvdgan.models.latent import Truncation

    sampler = Sampler.load(bundle)
    kept = None
    if truncation is not None:
        kept = Truncation(truncation, "resampled" if resampled else "gaussian")
    if sampler.conditioning_frames:
        if start is None:
            raise UserError(
                f"this model continues {sampler.conditioning_frames} frames of a video",
                todo="name one: --start VIDEO",
            )
        clips = sheets.continuations(sampler, start, count, seed, kept)
    elif start is not None:
        raise UserError("this model makes clips of a class and continues no frames")
    elif between is not None:
        clips = sheets.interpolations(sampler, between, names or sampler.classes, count, seed)
    else:
        clips = sheets.class_samples(sampler, names or sampler.classes[:8], count, seed, kept)
    sheets.write_sheets(clips, sampler.fps, sampler.conditioning_frames, write)
    print(f"sample: {clips.shape[0] * clips.shape[1]} videos -> {write}/samples.mp4, samples.png")


@app.command()
def synthetic(
    root: Annotated[Path, typer.Argument(help="Folder to make; left alone if it exists.")],
    videos_per_class: Annotated[int, typer.Option(min=2, help="Videos in each class.")] = 24,
    size: Annotated[int, typer.Option(min=32, max=256, help="Width and height, pixels.")] = 64,
    frames: Annotated[int, typer.Option(min=2, max=256, help="Frames per video.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="Shapes, colours and speeds.")] = 0,
) -> None:
    """Make a small data set of mp4 files: shapes that move.

    The bar of grey blocks at the bottom of each frame is its number in binary.
    """
    from dvdgan.data.synthetic import write_synthetic

    if root.exists():
        print(f"{root} is already there")
        return
    write_synthetic(root, videos_per_class, size, frames, seed)
    print(f"synthetic: videos of moving shapes -> {root}")


def main() -> None:
    """Run the command line; errors become words and exit codes."""
    if "DVC_STAGE" in os.environ:
        die_with_parent()  # a killed `dvc repro` must not leave its stage writing
    interrupt_on_signals()
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_USER_ERROR)
    except InterruptedRunError as error:
        print(f"interrupted: {error}; the same command goes on from here", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
