"""The verbs around the pipeline: look before, sample after, and make data to try it on."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from dvdgan.cli.options import PARAMS, Params, app
from dvdgan.errors import UserError
from dvdgan.storage.output import check_output_folder, output_folder

if TYPE_CHECKING:
    from dvdgan.models.latent import Truncation


@app.command()
def check(params: Params = PARAMS) -> None:
    """Check a params file and list every problem in it.

    What cannot run is an error (exit code 2). What can, but is hardly meant, is a warning. After an
    edit of the code it also says whether dvdgan/numerics.json has to be written anew.
    """
    from dvdgan.config import load_config, warnings
    from dvdgan.provenance.lock import refuse_outdated_lock

    found = warnings(load_config(params))
    refuse_outdated_lock()
    for warning in found:
        print(f"warning: {warning}", file=sys.stderr)
    count = "1 warning" if len(found) == 1 else f"{len(found)} warnings"
    print(f"{params} is in order" + (f", with {count}" if found else ""))


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
    ideas save. Nothing is allocated, so that any machine can look at any model:
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
def sample(
    bundle: Annotated[Path, typer.Argument(help="Folder written by `dvdgan export`.")] = Path(
        "artifacts/model"
    ),
    write: Annotated[
        Path,
        typer.Option(help="Folder for samples.mp4 and samples.png; earlier samples are replaced."),
    ] = Path("samples"),
    names: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--class", help="Class to sample; may be repeated. [default: the first 8]"),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=64, help="Videos of each class.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Video i of a seed is always the same.")] = 0,
    truncation: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="Standard deviation of z; less than 1 is better and less varied."),
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
    check_output_folder(write)
    from dvdgan.export import sheets
    from dvdgan.export.sampler import Sampler

    kept = _truncation(truncation, resampled)
    sampler = Sampler.load(bundle)
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
    with output_folder(write) as folder:
        sheets.write_sheets(clips, sampler.fps, sampler.conditioning_frames, folder)
    print(f"sample: {clips.shape[0] * clips.shape[1]} videos -> {write}/samples.mp4, samples.png")


def _truncation(level: float | None, resampled: bool) -> "Truncation | None":
    from dvdgan.models.latent import Truncation

    if level is None:
        return None
    try:
        return Truncation(level, "resampled" if resampled else "gaussian")
    except ValueError as error:
        raise UserError(str(error), where="--truncation", todo="the paper takes 0.44") from error


@app.command()
def synthetic(
    root: Annotated[Path, typer.Argument(help="Folder to make; left alone if it was made before.")],
    videos_per_class: Annotated[int, typer.Option(min=2, help="Videos in each class.")] = 24,
    size: Annotated[int, typer.Option(min=32, max=256, help="Width and height, pixels.")] = 64,
    frames: Annotated[int, typer.Option(min=2, max=256, help="Frames per video.")] = 32,
    seed: Annotated[int, typer.Option(min=0, help="Shapes, colours and speeds.")] = 0,
) -> None:
    """Make a small data set of videos of moving shapes.

    The bar of grey blocks at the bottom of each frame is its number in binary.
    """
    from dvdgan.data.synthetic import write_synthetic

    if not write_synthetic(root, videos_per_class, size, frames, seed):
        print(f"{root} is already there")
        return
    print(f"synthetic: videos of moving shapes -> {root}")
