"""Commands that use a trained model: sample, serve."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from dvdgan.cli.options import app
from dvdgan.errors import UserError
from dvdgan.storage.output import (
    check_output_folder,
    check_recorded_file,
    output_folder,
    write_recorded_file,
)

if TYPE_CHECKING:
    from dvdgan.export.sample_grid import CaptionedClips
    from dvdgan.export.sampler import Sampler
    from dvdgan.export.sampling import Draws
    from dvdgan.models.latent import Truncation

BUNDLE = Path("artifacts/model")


@app.command()
def sample(
    bundle: Annotated[Path, typer.Argument(help="Folder written by `dvdgan export`.")] = BUNDLE,
    write: Annotated[
        Path,
        typer.Option(
            help="File (.mp4, .gif, .webp, .png, .npy, .npz) or folder to write; earlier outputs "
            "of dvdgan there are replaced."
        ),
    ] = Path("samples"),
    names: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--class", help="Class to sample; may be repeated. [default: the first 8]"),
    ] = None,
    count: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1,
            max=256,
            help="Videos of each class, or steps of an interpolation.",
            show_default="8",
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            min=0, help="Random seed; video i of a seed is always the same.", metavar="SEED"
        ),
    ] = 0,
    seeds: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="A-B", help="Video 0 of each seed from A to B, instead of --seed."),
    ] = None,
    truncation: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="Standard deviation of z; below 1 is better and less varied."),
    ] = None,
    resampled: Annotated[
        bool,
        typer.Option(help="--truncation is BigGAN's bound: values beyond it are resampled."),
    ] = False,
    between: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="WHAT", help="Interpolate between `latents` of a class, or between `classes`."
        ),
    ] = None,
    through: Annotated[
        int,
        typer.Option(
            min=2, max=64, help="Number of videos that --between latents interpolates through."
        ),
    ] = 2,
    start: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Video file to continue, for a model that predicts frames."),
    ] = None,
    grid: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1, max=256, metavar="COLUMNS", help="Videos in a row. [default: all of a class]"
        ),
    ] = None,
    in_turn: Annotated[
        bool,
        typer.Option(
            "--in-turn", help="Play the videos of a row one after another, as one long video."
        ),
    ] = False,
    scale: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1, max=16, help="Enlarge by a whole factor, without smoothing.", show_default="1"
        ),
    ] = None,
    captions: Annotated[
        Optional[bool],  # noqa: UP045
        typer.Option(
            "--captions/--no-captions",
            help="Class names above the videos. [default: where there are several]",
        ),
    ] = None,
    each: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="FORMAT",
            help="Write each video as a file of its own: mp4, gif, webp, npy, npz, or png, a "
            "folder of frames.",
        ),
    ] = None,
) -> None:
    """Sample videos from a trained model.

    Needs no params.yaml. A row per class, with the same latents in each. A folder gets samples.mp4
    and samples.png, a row per class and a film strip per video; a file is written in the format of
    its name. Arrays are uint8 (videos, frames, height, width, 3). docs/sampling.md has examples.

    \b
    One class, as a picture for a README:
      dvdgan sample --class wave --count 16 --grid 4 --scale 2 --write wave.gif
    One video of each of ten seeds, as files of their own:
      dvdgan sample --class wave --seeds 0-9 --each webp --write clips
    Better and less varied (paper 4.4):
      dvdgan sample --truncation 0.44
    A long interpolation through five videos (paper Fig. 8), and between classes (Fig. 9):
      dvdgan sample --class wave --between latents --through 5 --in-turn --write walk.mp4
      dvdgan sample --class wave --class bend --between classes
    Continue a video, with a model that predicts frames (paper A.4):
      dvdgan sample --start clip.mp4
    An array for other tools:
      dvdgan sample --count 256 --write clips.npz
    """
    from dvdgan.export import sample_files
    from dvdgan.export.sample_grid import SampleGrid
    from dvdgan.export.sampler import Sampler

    single = sample_files.is_file(write)
    (check_recorded_file if single else check_output_folder)(write)
    ending = sample_files.ending_of(each, write if single else None)
    shown = (scale, captions, grid) != (None, None, None) or in_turn
    if ending in sample_files.ARRAYS and shown:
        raise UserError(
            f"{ending} holds the videos as the model makes them",
            todo="leave out --scale, --captions, --grid and --in-turn",
        )
    if (each or ending == ".png") and (grid or in_turn):
        raise UserError(
            "--each writes a file for each video" if each else ".png has a row for each video",
            todo="leave out --grid and --in-turn",
        )
    draws = _draws(seed, seeds, count, between, _truncation(truncation, resampled))
    samples = _samples(Sampler.load(bundle), names, between, through, start, draws)
    clips = len(samples.clips)
    layout = SampleGrid(
        columns=1 if each else grid or clips // samples.rows,
        scale=scale or 1,
        captions=(clips > 1 and not each) if captions is None else captions,
        in_turn=in_turn,
    )
    if ending not in sample_files.ARRAYS:
        layout.check(1 if each else clips, samples.clips.shape[-1])
    if single:
        write_recorded_file(write, sample_files.encoded(samples, layout, ending))
    else:
        with output_folder(write) as folder:
            if each:
                sample_files.write_each(samples, layout, ending, folder)
            else:
                sample_files.write_sheet_files(samples, layout, folder)
    what = "" if single else f"/*{ending}" if each else "/samples.mp4, samples.png"
    print(f"sample: {clips} {'video' if clips == 1 else 'videos'} -> {write}{what}")


def _draws(
    seed: int,
    seeds: str | None,
    count: int | None,
    between: str | None,
    truncation: "Truncation | None",
) -> "Draws":
    from dvdgan.export.sampling import Draws

    if seeds is None:
        return Draws([seed], count or 8, truncation)
    ends = re.fullmatch(r"([0-9]{1,18})-([0-9]{1,18})", seeds)
    if ends is None or int(ends[1]) > int(ends[2]):
        raise UserError(
            f"--seeds is {seeds!r}",
            todo="give two numbers of at most 18 digits, the first the smaller: 0-9",
        )
    if seed or count or between:
        raise UserError(
            "--seeds uses video 0 of each seed", todo="leave out --seed, --count and --between"
        )
    return Draws(range(int(ends[1]), int(ends[2]) + 1), 1, truncation)


def _samples(
    sampler: "Sampler",
    names: list[str] | None,
    between: str | None,
    through: int,
    start: Path | None,
    draws: "Draws",
) -> "CaptionedClips":
    from dvdgan.export import sampling

    continued = sampler.conditioning_frames
    if between not in (None, "latents", "classes"):
        raise UserError(f"--between is {between!r}", todo="choose `latents` or `classes`")
    if through > 2 and between != "latents":
        raise UserError("--through requires --between latents", todo="leave it out")
    if bool(continued) != (start is not None):
        raise (
            UserError(
                f"this model continues the first {continued} frames of a video",
                todo="give a video: --start VIDEO",
            )
            if continued
            else UserError(
                "this model generates clips of a class and cannot continue a video",
                todo="leave out --start",
            )
        )
    if continued and (names or between == "classes"):
        raise UserError(
            "this model continues videos and has no classes",
            todo="leave out --class and --between classes",
        )
    given = None
    if start is not None:
        given = sampling.opening_frames(start, continued, sampler.resolution)
    if between == "latents":
        return sampling.between_latents(sampler, names or sampler.classes, given, through, draws)
    if between == "classes":
        return sampling.between_classes(sampler, names or sampler.classes, draws)
    if given is not None:
        return sampling.continuations(sampler, given, draws)
    return sampling.class_samples(sampler, names or sampler.classes[:8], draws)


def _truncation(level: float | None, resampled: bool) -> "Truncation | None":
    from dvdgan.models.latent import Truncation

    if level is None:
        if resampled:
            raise UserError(
                "--resampled requires --truncation", todo="give a bound, such as --truncation 0.5"
            )
        return None
    try:
        return Truncation(level, "resampled" if resampled else "gaussian")
    except ValueError as error:
        raise UserError(str(error), where="--truncation", todo="the paper uses 0.44") from error


@app.command()
def serve(
    bundle: Annotated[Path, typer.Argument(help="Folder written by `dvdgan export`.")] = BUNDLE,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 chooses a free one.")
    ] = 8010,
) -> None:
    """Open a model's page in the browser: classes, truncation, seeds, interpolations.

    For a frame prediction model, upload a video to continue. The page is served to this machine
    only, until Ctrl-C, and needs neither a network connection nor params.yaml.

    \b
    dvdgan serve
    dvdgan serve path/to/bundle --port 0
    """
    from dvdgan.evaluation.device import device
    from dvdgan.serving.server import serve as serve_bundle

    serve_bundle(bundle, port, device())
