"""`dvdgan evaluate`: the bundle by every protocol, with controls; or one checkpoint of a run."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dvdgan.config.schema import RunSettings
from dvdgan.data.dataset import open_clips
from dvdgan.data.sources.shard_set import EvenClips
from dvdgan.errors import UserError
from dvdgan.evaluation.device import beside_trainer
from dvdgan.evaluation.extraction import Extraction
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.reference import MEAN_CLIP_FILE, RealReference, load_mean_clip
from dvdgan.export.bundle import STANDING, BundleSource, StandingStatistics, untrained_sampler
from dvdgan.export.checkpoint_health import measure_checkpoint
from dvdgan.export.clip_sets import EvaluationInputs, sets_of
from dvdgan.export.generated_clips import SampleSpec
from dvdgan.export.memorisation import Memorisation, examine_memorisation
from dvdgan.export.results import Results, control_warnings, measure_clip_sets
from dvdgan.export.sampler import CONFIG, Sampler
from dvdgan.export.sheets import write_sheets
from dvdgan.guard.run_folder import step_name, verify_checkpoint
from dvdgan.protocols import MINIMUM_CLIPS, PROTOCOLS
from dvdgan.stages.artefacts import EVALUATE, FEATURE_CACHE, FEATURES, MODEL, REFERENCE, SHARDS
from dvdgan.storage.local import atomic_directory, read_json, write_json
from dvdgan.storage.output import check_stage_output, write_output
from dvdgan.training.checkpoint import AVERAGE

if TYPE_CHECKING:
    from dvdgan.config import Config


def run(config: "Config", command: Sequence[str] = ()) -> None:
    """Measure the bundle by each of features.protocols; write artifacts/evaluate.

    After an interruption it resumes. With ``command``, the words after `dvdgan` that do the same,
    the processes of DVDGAN_LAUNCHER sample clips and extract features.
    """
    check_stage_output(EVALUATE)
    extraction, names = Extraction(FEATURE_CACHE, "evaluate", command), config.features.protocols
    references = {name: RealReference.load_all(REFERENCE / name, MINIMUM_CLIPS) for name in names}
    _refuse_few(references.values())
    inputs = _inputs(config, extraction.device, tested="test" in references[names[0]])
    networks = {name: _network(name, extraction.device) for name in names}
    caches = {
        name: {
            each: extraction.add(f"{name}: {each}", network, clip_set.clips)
            for each, clip_set in sets_of(inputs, PROTOCOLS[name]).items()
        }
        for name, network in networks.items()
    }
    if not extraction.run():
        return
    results, generated = Results(), {}
    for name in names:
        measured = {each: cache.complete() for each, cache in caches[name].items()}
        generated[name] = measure_clip_sets(
            results, inputs, PROTOCOLS[name], measured, references[name]
        )
    main = names[0]
    memorisation = examine_memorisation(
        inputs,
        generated[main],
        references[main],
        _real_clips(config, "train"),
        networks[main],
        config.evaluate.interpolation_lines,
        config.evaluate.interpolation_videos,
    )
    results.add_memorisation(main, memorisation.metrics)
    results.warnings += control_warnings(results)
    with atomic_directory(EVALUATE / "features") as folder:
        for name, features in generated.items():
            features.save(folder / f"{name}.safetensors")
    _write_sheets(memorisation, inputs)
    write_json(EVALUATE / "results.json", results.to_json())
    write_json(EVALUATE / "metrics.json", results.scalars())
    extraction.end()
    metrics = ", ".join(f"{name} {each.value:.4g}" for name, each in results.generated.items())
    print(f"evaluate: {metrics} ({config.evaluate.samples} clips) -> {EVALUATE}")
    for warning in results.warnings:
        print(f"warning: {warning}")


def run_checkpoint(checkpoint: Path, write: Path | None) -> None:
    """Measure one checkpoint of a run by its first protocol with train.guard.samples clips.

    ``write``: JSON file for {"metrics", "names", "intervals", "health"}, which are printed too (see
    export/checkpoint_health.py). The name step-00000000 means the weights before step 1 and needs
    no folder; the mean clip is then measured as well, as "mean_clip". Raises UserError if the
    folder is not a valid checkpoint of a run.
    """
    run_root = checkpoint.parent.parent
    untrained = checkpoint.name == step_name(0)
    problem = None if untrained else verify_checkpoint(checkpoint)
    if problem is not None or not (run_root / "settings.json").is_file():
        raise UserError(
            f"{checkpoint} is not a valid checkpoint of a run: {problem or 'no settings.json'}",
            todo="give a folder such as .runs/train/<run>/checkpoints/step-XXXXXXXX",
        )
    settings = RunSettings.model_validate_json((run_root / "settings.json").read_text("utf-8"))
    average = None if untrained else checkpoint / AVERAGE
    measured = beside_trainer(lambda device: measure_checkpoint(settings, average, device))
    if write is not None:
        write_output(write, measured)
    print(f"evaluate: {checkpoint.name}: {measured['metrics']}, {measured['health']}")


def _refuse_few(references: Iterable[dict[str, RealReference]]) -> None:
    for splits in references:
        kept = len(splits["train"].kept)
        if kept < MINIMUM_CLIPS:
            raise UserError(
                f"{kept} training clips are too few for a comparison",
                where=str(REFERENCE),
                todo="add videos, or raise reference.clips_per_video, to get at least "
                f"{MINIMUM_CLIPS} clips",
            )


def _network(name: str, device: str) -> FeatureNetwork:
    protocol = PROTOCOLS[name]
    return FeatureNetwork.load(FEATURES / protocol.network, device, protocol.resize)


def _inputs(config: "Config", device: str, tested: bool) -> EvaluationInputs:
    """``tested``: whether there are enough test clips to measure."""
    settings, given = config.evaluate, config.model.conditioning_frames
    train = open_clips(SHARDS, "train", config.clip)
    source = BundleSource.of(train, config.model, config.clip)
    unseen = None
    if given and tested:
        unseen = SampleSpec.of(
            open_clips(SHARDS, "test", config.clip), settings.samples, settings.seed, given
        )
    real = _real_clips(config, "test" if tested else "train")
    return EvaluationInputs(
        sampler=Sampler.load(MODEL, device),
        untrained=untrained_sampler(source, StandingStatistics(), device),
        spec=SampleSpec.of(train, settings.samples, settings.seed, given),
        unseen=unseen,
        mean_clip=load_mean_clip(REFERENCE / MEAN_CLIP_FILE),
        real=real if len(real) >= MINIMUM_CLIPS else None,
        truncations=settings.truncations,
        standing=read_json(MODEL / CONFIG)["facts"].get(STANDING),
    )


def _real_clips(config: "Config", split: str) -> EvenClips:
    """The clips whose features are in artifacts/reference."""
    settings = config.reference
    return EvenClips(
        open_clips(SHARDS, split, config.clip), settings.clips_per_video, settings.kept_clips
    )


def _write_sheets(memorisation: Memorisation, inputs: EvaluationInputs) -> None:
    sampler = inputs.sampler
    with atomic_directory(EVALUATE / "sheets") as folder:
        for name, clips in memorisation.sheets.items():
            (folder / name).mkdir()
            write_sheets(clips, sampler.fps, sampler.conditioning_frames, folder / name)
