"""The commands of the stages that read videos: index and shard."""

from typing import Annotated, Optional

import typer

from dvdgan.cli.options import PARAMS, Params, Workers, app
from dvdgan.errors import UserError

Part = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(metavar="I/N", help="Do only part I of N of the work; see above."),
]


@app.command()
def index(params: Params = PARAMS, workers: Workers = None, part: Part = None) -> None:
    """Probe every video, and accept it or refuse it with a reason.

    Reads the videos below index.root, in the layout index.source. Writes artifacts/index:
    manifest.parquet, refused.csv, summary.json. Only new and changed videos are probed.

    Machines that share this folder can share the work. Run --part 1/2 on one and --part 2/2 on
    another, then run the command without --part to combine the results.
    """
    from dvdgan.config import load_config
    from dvdgan.stages import index as stage

    stage.run(load_config(params), workers, part_of(part))


@app.command()
def shard(
    params: Params = PARAMS,
    workers: Workers = None,
    part: Part = None,
    upload: Annotated[
        bool, typer.Option("--upload", help="Only upload artifacts/shards to DVDGAN_SHARDS.")
    ] = False,
    fetch_index: Annotated[
        bool,
        typer.Option(
            "--fetch-index", help="Only copy index.json from DVDGAN_SHARDS to artifacts/shards."
        ),
    ] = False,
) -> None:
    """Decode and resize the accepted videos and store them in WebDataset tars.

    The contents of a tar depend only on the manifest and the params. Reads artifacts/index and the
    videos. Writes artifacts/shards: *.tar, index.json, samples.parquet. After an interruption, the
    same command resumes with the missing shards.

    Machines that share this folder can share the work. Run --part 1/2 on one and --part 2/2 on
    another, then run the command without --part to write the index.

    If DVDGAN_SHARDS is set, the shards are also uploaded there, index.json last. On a machine that
    only trains, --fetch-index copies what DVC compares of them, and `dvc repro --downstream
    features` needs no more (docs/s3.md).
    """
    from dvdgan.config import load_config
    from dvdgan.stages import shard as stage

    share = part_of(part)
    if upload + fetch_index + (share is not None) > 1:
        raise UserError(
            "--upload, --fetch-index and --part cannot be combined", todo="give one of them"
        )
    if upload:
        stage.upload()
    elif fetch_index:
        stage.fetch_index()
    elif share is None:
        stage.run(load_config(params), workers)
    else:
        stage.run_part(load_config(params), *share, workers)


def part_of(text: str | None) -> tuple[int, int] | None:
    """(I, N) of the text I/N. Raises UserError for another text."""
    if text is None:
        return None
    number, _, count = text.partition("/")
    if number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
        return int(number), int(count)
    raise UserError(f"--part is {text!r}", todo="give I/N, such as 1/2 and 2/2, with 1 <= I <= N")
