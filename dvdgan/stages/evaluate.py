"""`dvdgan evaluate`: the bundle by every protocol, beside controls; or one checkpoint of a run."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from dvdgan.config.schema import RunSettings
from dvdgan.data.dataset import ClipDataset
from dvdgan.data.sources.even_clips import EvenClips
from dvdgan.errors import UserError
from dvdgan.evaluation.device import device
from dvdgan.evaluation.extraction import Extraction, Process
from dvdgan.evaluation.features import extract
from dvdgan.evaluation.liveliness import RANGES_FILE, Liveliness, Ranges
from dvdgan.evaluation.measurement import measure
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.reference import MEAN_CLIP_FILE, RealReference, load_mean_clip
from dvdgan.evaluation.vital_signs import vital_signs
from dvdgan.export.bundle import Origin, Standing, trained_sampler, untrained_sampler
from dvdgan.export.generated_clips import Asked
from dvdgan.export.memorisation import Memorisation, examine_memorisation
from dvdgan.export.results import Results, measure_subjects
from dvdgan.export.sampler import Sampler
from dvdgan.export.sheets import write_sheets
from dvdgan.export.subjects import Material
from dvdgan.guard.run_folder import damage
from dvdgan.protocols import MINIMUM_CLIPS, PROTOCOLS
from dvdgan.stages.artefacts import EVALUATE, FEATURE_CACHE, FEATURES, MODEL, REFERENCE, SHARDS
from dvdgan.storage.local import atomic_directory, write_json
from dvdgan.training.checkpoint import AVERAGE

if TYPE_CHECKING:
    from dvdgan.config import Config


def run(config: "Config") -> None:
    """Measure the bundle by each of features.protocols; write artifacts/evaluate.

    Interrupted, it goes on with what it had not measured. Started by a launcher, its processes
    share the work.
    """
    process, names = Process.current(), config.features.protocols
    references = {name: RealReference.load_all(REFERENCE / name, MINIMUM_CLIPS) for name in names}
    _refuse_few(references.values())
    material = _material(config, process.device, tested="test" in references[names[0]])
    results, generated = Results(), {}
    extractions = {name: _extraction(name, process) for name in names}
    for name, extraction in extractions.items():
        measured = measure_subjects(
            results, material, PROTOCOLS[name], extraction, references[name]
        )
        if measured is not None:
            generated[name] = measured
    if not process.is_main:
        for extraction in extractions.values():
            extraction.end()
        return
    main = names[0]
    memorisation = examine_memorisation(
        material,
        generated[main],
        references[main],
        _real_clips(config, "train"),
        extractions[main].network,
        config.evaluate.interpolation_lines,
        config.evaluate.interpolation_videos,
    )
    results.memorisation = memorisation.told
    with atomic_directory(EVALUATE / "features") as folder:
        for name, features in generated.items():
            features.save(folder / f"{name}.safetensors")
    _write_sheets(memorisation, material)
    write_json(EVALUATE / "metrics.json", results.to_json())
    for extraction in extractions.values():
        extraction.end()
    figures = ", ".join(f"{name} {each.value:.4g}" for name, each in results.generated.items())
    print(f"evaluate: {figures} ({config.evaluate.samples} clips) -> {EVALUATE}")


def run_checkpoint(checkpoint: Path, write: Path | None) -> None:
    """Measure one checkpoint of a run by its first protocol with train.guard.samples clips.

    ``write``: where {"metrics": ..., "signs": ...} goes as JSON: the protocol's FID, FVD and IS,
    and the vital signs of the clips with the accuracy where the protocol tells it. Where the clips
    are not finite the metrics are null and there are no signs. They are printed too. Raises
    UserError when the folder is no whole checkpoint.
    """
    run_root = checkpoint.parent.parent
    problem = damage(checkpoint)
    if problem is not None or not (run_root / "settings.json").is_file():
        raise UserError(
            f"{checkpoint} is not a whole checkpoint of a run: {problem or 'no settings.json'}",
            todo="name a folder .runs/train/<run>/checkpoints/step-XXXXXXXX",
        )
    settings = RunSettings.model_validate_json((run_root / "settings.json").read_text("utf-8"))
    metrics, signs = _health(settings, checkpoint)
    if write is not None:
        write_json(write, {"metrics": metrics, "signs": signs})
    print(f"evaluate: {checkpoint.name}: {metrics}, {signs}")


def _health(
    settings: RunSettings, checkpoint: Path
) -> tuple[dict[str, float | None], dict[str, float]]:
    """Metrics and vital signs of the clips that a whole checkpoint makes."""
    clip, protocol = settings.clip, PROTOCOLS[settings.protocol]
    dataset = ClipDataset(Path(settings.shards), "train", clip.resolution, clip.frames, clip.stride)
    origin = Origin.of(dataset, settings.model, clip)
    given = settings.model.conditioning_frames
    asked = Asked.of(dataset, settings.train.guard.samples, settings.train.seed, given)
    network = FeatureNetwork.load(
        Path(settings.features) / protocol.network, device(), protocol.resize
    )
    reference = RealReference.load(Path(settings.reference) / settings.protocol, "train")
    ranges = Ranges.load(Path(settings.reference) / RANGES_FILE)
    pixels: list[Liveliness] = []
    try:
        sampler = trained_sampler(checkpoint / AVERAGE, origin, Standing(), device())
        clips = sampler.stream(asked.labels, asked.seed, conditioning=asked.conditioning)
        watched = _watched(clips, pixels)
        features = extract(network, watched, len(asked.labels), f"evaluate {checkpoint.name}")
        measured = measure(features, reference, asked.drawn).metrics
    except FloatingPointError as error:
        print(f"evaluate: {error}")
        return dict.fromkeys(name for name in protocol.layers if name != "accuracy"), {}
    values = {name: each.value for name, each in measured.items()}
    accuracy = {name: values.pop(name) for name in ("accuracy",) if name in values}
    # Conditioning frames are of every video once before they are of any twice.
    distinct = len(dataset) if given else None
    lively = Liveliness.join(pixels)
    return {**values}, vital_signs(features, lively, reference, ranges, distinct) | accuracy


def _watched(
    batches: Iterable[tuple[Tensor, Tensor]], pixels: list[Liveliness]
) -> Iterator[tuple[Tensor, Tensor]]:
    """The same batches; how their pixels behave goes to ``pixels`` as they pass."""
    for clips, labels in batches:
        pixels.append(Liveliness.of(clips))
        yield clips, labels


def _refuse_few(references: Iterable[dict[str, RealReference]]) -> None:
    for splits in references:
        kept = len(splits["train"].kept)
        if kept < MINIMUM_CLIPS:
            raise UserError(
                f"{kept} training clips are too few to compare with",
                where=str(REFERENCE),
                todo=f"add videos, or take more clips of each, at least {MINIMUM_CLIPS} together: "
                "reference.clips_per_video",
            )


def _extraction(name: str, process: Process) -> Extraction:
    protocol = PROTOCOLS[name]
    network = FeatureNetwork.load(FEATURES / protocol.network, process.device, protocol.resize)
    return Extraction(network, FEATURE_CACHE, process, f"evaluate, {name}")


def _material(config: "Config", on: str, tested: bool) -> Material:
    """``tested``: whether there are test clips enough to measure."""
    settings, given = config.evaluate, config.model.conditioning_frames
    train = _dataset(config, "train")
    unseen = None
    if given and tested:
        unseen = Asked.of(_dataset(config, "test"), settings.samples, settings.seed, given)
    real = _real_clips(config, "test" if tested else "train")
    return Material(
        sampler=Sampler.load(MODEL, on),
        untrained=untrained_sampler(Origin.of(train, config.model, config.clip), Standing(), on),
        asked=Asked.of(train, settings.samples, settings.seed, given),
        unseen=unseen,
        mean_clip=load_mean_clip(REFERENCE / MEAN_CLIP_FILE),
        real=real if len(real) >= MINIMUM_CLIPS else None,
        truncations=settings.truncations,
    )


def _real_clips(config: "Config", split: str) -> EvenClips:
    """The clips whose features artifacts/reference has kept."""
    settings = config.reference
    return EvenClips(_dataset(config, split), settings.clips_per_video, settings.kept_clips)


def _dataset(config: "Config", split: str) -> ClipDataset:
    clip = config.clip
    return ClipDataset(SHARDS, split, clip.resolution, clip.frames, clip.stride)


def _write_sheets(memorisation: Memorisation, material: Material) -> None:
    sampler = material.sampler
    with atomic_directory(EVALUATE / "sheets") as folder:
        for name, clips in memorisation.sheets.items():
            write_sheets(clips, sampler.fps, sampler.conditioning_frames, folder / name)
