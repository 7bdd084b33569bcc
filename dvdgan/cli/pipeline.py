"""The commands of the stages after shard, in the order of the pipeline."""

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from dvdgan.cli.options import (
    PARAMS,
    ArrayLayout,
    ArrayRange,
    ContinueRun,
    NewRun,
    Params,
    app,
    reject_unused_options,
)
from dvdgan.errors import UserError
from dvdgan.protocols import PROTOCOLS, ProtocolName
from dvdgan.storage.output import check_output_file, check_recorded_file, write_recorded_file
from dvdgan.video.preprocessing import TemporalWindow


@app.command()
def features(params: Params = PARAMS) -> None:
    """Train or copy the feature networks of the metrics.

    One network for each of features.protocols. The small I3D is trained on the data set's own
    classes. Published networks are copied from weights/NETWORK, where `dvdgan convert` writes them.
    Reads artifacts/shards, weights. Writes artifacts/features/NETWORK.
    """
    from dvdgan.config import load_config
    from dvdgan.stages import features as stage

    stage.run(load_config(params))


@app.command()
def reference(params: Params = PARAMS) -> None:
    """Compute the statistics of the real clips with which generated clips are compared.

    They cover the whole training split, in float64. Reads artifacts/shards, artifacts/features.
    Writes artifacts/reference. The processes of DVDGAN_LAUNCHER share the work.
    """
    from dvdgan.config import load_config
    from dvdgan.stages import reference as stage

    stage.run(load_config(params), sys.argv[1:])


@app.command()
def train(
    params: Params = PARAMS, continue_run: ContinueRun = None, new_run: NewRun = False
) -> None:
    """Train under supervision and publish the best checkpoint.

    Checkpoints are evaluated during training. After a collapse, the run is rolled back to the last
    healthy checkpoint, with new random seeds and lower learning rates. After Ctrl-C, kill or a
    crash, the same command resumes the run in .runs/train. If the code has changed since the run
    was started, the command shows the changes and stops; choose --continue-run or --new-run once.
    Writes artifacts/train.

    machine.yaml, or environment variables, set what belongs to a machine:
    DVDGAN_LAUNCHER="torchrun --nproc-per-node 8 -m" starts several processes,
    DVDGAN_LOADER_WORKERS=4 loads clips in other processes, DVDGAN_BACKUP=s3://BUCKET/PREFIX keeps a
    backup from which a new machine can resume, PREFECT_API_URL shows every step in Prefect.
    docs/machine.md lists all of them.
    """
    from dvdgan.config import load_config
    from dvdgan.guard.interruption import record_signals
    from dvdgan.guard.run_choice import RunRequest
    from dvdgan.stages import train as stage

    # An exception raised while a process is started or a folder deleted can be swallowed there, or
    # leave a lock held, and the stop would be lost. The supervisor checks for a signal instead.
    record_signals()
    stage.run(load_config(params), RunRequest(continue_run, new_run))


@app.command()
def export(
    params: Params = PARAMS,
    pt2: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            metavar="FILE",
            help="Write the bundle in artifacts/model as a torch.export program to FILE, and "
            "nothing else.",
        ),
    ] = None,
) -> None:
    """Write the model bundle for sampling.

    The bundle holds averaged weights with standing statistics and spectral normalisation baked in.
    Reads artifacts/train. Writes artifacts/model, which dvdgan.export.sampler.Sampler loads.

    With --pt2, it writes one file that needs only torch: latents and labels in, clips out
    (docs/sampling.md).
    """
    if pt2 is not None:
        check_recorded_file(pt2)
        from dvdgan.export.program import exported
        from dvdgan.export.sampler import CONFIG, Sampler
        from dvdgan.stages.artefacts import MODEL

        sampler = Sampler.load(MODEL)
        write_recorded_file(pt2, exported(sampler, (MODEL / CONFIG).read_text(encoding="utf-8")))
        print(f"export: {MODEL} -> {pt2}")
        return
    from dvdgan.config import load_config
    from dvdgan.stages import export as stage

    stage.run(load_config(params))


@app.command()
def evaluate(
    context: typer.Context,
    params: Params = PARAMS,
    checkpoint: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Measure this checkpoint of a run instead of the bundle."),
    ] = None,
    write: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="With --checkpoint or --generated: write the metrics to this JSON file."),
    ] = None,
    generated: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Measure clips of any model: folder of videos or array."),
    ] = None,
    real: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Real clips: folder of videos, array, shard set or saved statistics."),
    ] = None,
    protocol: Annotated[
        ProtocolName, typer.Option(help="Selects network, layers and resize rule.")
    ] = "self_trained",
    network: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="Folder of the protocol's network.",
            show_default="artifacts/features/NETWORK, else weights/NETWORK",
        ),
    ] = None,
    frames: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=2, help="Frames per clip.", show_default="as in the array or statistics"),
    ] = None,
    stride: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1, help="Frame step in real videos.", show_default="1, or the statistics'"
        ),
    ] = None,
    generated_stride: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            min=1, help="Frame step in generated videos.", show_default="1; in shards --stride"
        ),
    ] = None,
    given_frames: Annotated[
        int, typer.Option(min=0, help="Real frames at the start of each generated clip.")
    ] = 0,
    window: Annotated[
        TemporalWindow, typer.Option(help="Which part of a longer video to use as its clip.")
    ] = "first",
    resolution: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(min=8, help="Resize and crop videos to this size.", show_default="their own"),
    ] = None,
    split: Annotated[
        str, typer.Option(help="Split of a shard set or of saved statistics.")
    ] = "train",
    generated_layout: ArrayLayout = None,
    real_layout: ArrayLayout = None,
    generated_range: ArrayRange = None,
    real_range: ArrayRange = None,
    max_refused: Annotated[
        float, typer.Option(min=0, max=1, help="Fraction of videos that may be unusable.")
    ] = 0.0,
) -> None:
    """Measure FID, FVD, IS and accuracy of generated clips and of controls.

    Reads artifacts/model, features, reference, shards. Writes artifacts/evaluate: results.json with
    all metrics under their protocols and the truncation curve; metrics.json with a dozen of them
    for `dvc metrics` and `dvc exp`; features of the generated clips; sheets of nearest training
    clips and interpolations.

    With --generated and --real, it measures any clips and needs no params.yaml. Ambiguous input is
    an error. Features are cached in .runs/features, so the same command resumes after an
    interruption. The processes of DVDGAN_LAUNCHER share the work (docs/evaluate_any_model.md).

    The first example compares with a pipeline's own statistics. The others work in any folder with
    weights/i3d_k400 (docs/weights.md):

    \b
    dvdgan evaluate --generated samples.npy --real artifacts/reference
    dvdgan evaluate --generated fakes/ --real videos/ --frames 16 --resolution 128 \\
      --protocol unterthiner_fvd
    DVDGAN_LAUNCHER="torchrun --nproc-per-node 8 -m" dvdgan evaluate --generated fakes.pt \\
      --real videos/ --protocol unterthiner_fvd
    """
    reject_unused_options(context)
    if write is not None:
        check_output_file(write)
    if generated is not None or real is not None:
        from dvdgan.comparison import measure
        from dvdgan.comparison.spec import ComparisonSpec
        from dvdgan.data.sources.opening import Place, ReadOptions
        from dvdgan.evaluation.networks.catalogue import WEIGHTS
        from dvdgan.stages.artefacts import FEATURE_CACHE, FEATURES

        if generated is None or real is None:
            raise UserError("give --generated and --real together")
        name = PROTOCOLS[protocol].network
        if network is None:
            network = FEATURES / name if (FEATURES / name).is_dir() else WEIGHTS / name
        spec = ComparisonSpec(
            Place(generated, "generated", generated_stride, generated_layout, generated_range),
            Place(real, "real", stride, real_layout, real_range),
            protocol,
            network,
            ReadOptions(frames, window, resolution, split),
            given_frames,
            max_refused,
        )
        measure.run(spec, FEATURE_CACHE, write, sys.argv[1:])
        return
    from dvdgan.stages import evaluate as stage

    if checkpoint is not None:
        stage.run_checkpoint(checkpoint, write)
        return
    from dvdgan.config import load_config

    stage.run(load_config(params), sys.argv[1:])


@app.command()
def monitor(
    params: Params = PARAMS,
    gate: Annotated[
        bool,
        typer.Option("--gate", help="Only check the last report: exit 0 pass, 3 warn, 4 fail."),
    ] = False,
) -> None:
    """Measure with Evidently how generated clips drift from real ones.

    Reads artifacts/evaluate, artifacts/reference. Writes artifacts/monitor: report.html,
    report.json, summary.json. Drift does not stop `dvc repro`; a script or CI checks it with
    --gate.
    """
    from dvdgan.config import load_config
    from dvdgan.stages import monitor as stage

    if gate:
        raise typer.Exit(stage.check_gate())
    stage.run(load_config(params))


@app.command()
def report(
    params: Params = PARAMS,
    show: Annotated[
        bool, typer.Option("--show", help="Only print the metrics and the path of the last report.")
    ] = False,
    compare: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="OTHER", help="Compare with this git revision, or folder with artifacts/."
        ),
    ] = None,
    dated: Annotated[
        bool, typer.Option("--dated", help="Write .runs/report/index.html, with date and commit.")
    ] = False,
    price: Annotated[
        float, typer.Option(min=0, help="With --dated: price of a GPU or CPU process hour.")
    ] = 0.0,
) -> None:
    """Write the report page.

    It shows samples, charts, metrics, params and refused files. Reads all artefacts. Writes
    artifacts/report/index.html, which needs no network connection. --compare writes
    .runs/report/compare.html: the metrics, changed params, videos and curves of two runs. --dated
    writes .runs/report/index.html: the page with commit, changed params, date, hours and cost.

    \b
    dvdgan report --compare HEAD~1
    dvdgan report --compare ../other
    """
    from dvdgan.config import load_config
    from dvdgan.stages import report as stage

    if show + dated + (compare is not None) > 1:
        raise UserError("--show, --dated and --compare exclude each other", todo="give one of them")
    if price and not dated:
        raise UserError("--price goes with --dated", todo="give both, or neither")
    if show:
        stage.show()
    elif compare is not None:
        stage.compare(load_config(params), params, compare)
    elif dated:
        stage.write_dated(load_config(params), params, price)
    else:
        stage.run(load_config(params), params)
