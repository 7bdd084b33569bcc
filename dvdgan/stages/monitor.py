"""monitor: how far generated clips have drifted from real ones."""

from dvdgan.config import Config
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.monitoring.drift import Columns, PrincipalAxes, measure_drift
from dvdgan.stages.artefacts import EVALUATE, MONITOR, REFERENCE
from dvdgan.storage.local import atomic_directory


def run(config: Config) -> None:
    """Compare the evaluated clips with the kept training clips; write artifacts/monitor."""
    protocol = config.features.protocols[0]
    generated = ClipFeatures.load(EVALUATE / "features" / f"{protocol}.safetensors")
    real = ClipFeatures.load(REFERENCE / protocol / "train_clips.safetensors")
    # Evidently alone takes some seconds to load, and shows no progress of its own.
    print(f"monitor: comparing {len(generated)} generated with {len(real)} real clips", flush=True)
    axes = PrincipalAxes.of(real.pooled.double().numpy(), config.monitor.components)
    drift = measure_drift(
        _columns(generated, axes), _columns(real, axes), config.monitor.drift_threshold
    )
    with atomic_directory(MONITOR) as folder:
        drift.save(folder)
    names = ", ".join(drift.drifted) or "none"
    print(f"monitor: {len(drift.drifted)} of {len(drift.distances)} columns drift ({names})")


def _columns(clips: ClipFeatures, axes: PrincipalAxes) -> Columns:
    statistics = {
        name: getattr(clips, name).double().numpy() for name in ("motion", "brightness", "contrast")
    }
    return axes.columns(clips.pooled.double().numpy()) | statistics
