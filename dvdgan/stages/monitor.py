"""monitor: the drift of generated clips from real clips."""

from dvdgan.config import Config
from dvdgan.config.schema import Monitor
from dvdgan.errors import UserError
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.measurement_settings import NOT_GENERATED, measurement_settings
from dvdgan.evaluation.reference import RealReference
from dvdgan.monitoring.drift import FAIL, PASS, WARN, Columns, PrincipalAxes, measure_drift
from dvdgan.protocols import POOLED, short_name
from dvdgan.stages.artefacts import EVALUATE, MONITOR, REFERENCE
from dvdgan.storage.local import atomic_directory, read_json
from dvdgan.storage.output import check_stage_output

SUMMARY = MONITOR / "summary.json"
EXIT_CODES = {PASS: 0, WARN: 3, FAIL: 4}


def run(config: Config) -> None:
    """Compare the evaluated clips with the kept training clips; write artifacts/monitor."""
    check_stage_output(MONITOR)
    protocol = config.features.protocols[0]
    generated = ClipFeatures.load(EVALUATE / "features" / f"{protocol}.safetensors")
    reference = RealReference.load(REFERENCE / protocol, "train")
    real = reference.kept
    # Evidently alone takes some seconds to load, and shows no progress of its own.
    print(f"monitor: comparing {len(generated)} generated with {len(real)} real clips", flush=True)
    axes = PrincipalAxes.of(real.pooled.double().numpy(), config.monitor.components)
    drift = measure_drift(
        _columns(generated, axes), _columns(real, axes), config.monitor.drift_threshold
    )
    with atomic_directory(MONITOR) as folder:
        drift.save(folder, *_named(config.monitor, reference, len(generated)))
    names = ", ".join(drift.drifted) or "none"
    columns = f"{len(drift.drifted)} of {len(drift.distances)} columns drift ({names})"
    print(f"monitor: {drift.gate}: {columns}")


def check_gate() -> int:
    """Print the gate of the last run; its exit code, of EXIT_CODES."""
    if not SUMMARY.is_file():
        raise UserError(
            "the drift report does not exist yet", where=str(SUMMARY), todo="run `dvc repro`"
        )
    summary = read_json(SUMMARY)
    if "gate" not in summary:
        raise UserError(
            "the drift report was written by a version without a gate",
            where=str(SUMMARY),
            todo="run `dvc repro monitor`",
        )
    names = ", ".join(summary["drifted"]) or "none"
    threshold = f"at or above {summary['threshold']:g} standard deviations"
    print(f"monitor: {summary['gate']}: columns {threshold}: {names}")
    return EXIT_CODES[summary["gate"]]


def _named(settings: Monitor, reference: RealReference, clips: int) -> tuple[str, str]:
    """The key and the full name of the share of drifted columns."""
    # As of a metric that compares with the kept clips.
    name = measurement_settings(clips, reference, NOT_GENERATED, "KVD", POOLED).name
    name += f", {settings.components} axes, threshold {settings.drift_threshold:g}"
    key = short_name(reference.description.protocol, clips, name)
    return f"drifted[{key}]", f"drifted[{name}]"


def _columns(clips: ClipFeatures, axes: PrincipalAxes) -> Columns:
    statistics = {
        name: getattr(clips, name).double().numpy() for name in ("motion", "brightness", "contrast")
    }
    return axes.columns(clips.pooled.double().numpy()) | statistics
