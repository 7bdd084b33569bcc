"""Settings of the demo for checks in this process."""

from pathlib import Path

from dvdgan.config import load_config
from dvdgan.doctor.settings import DoctorSettings
from dvdgan.machine import Machine

DEMO = Path(__file__).resolve().parents[2] / "presets" / "demo.yaml"


def settings(
    protocols: tuple[str, ...] = ("self_trained",),
    videos: str = "data/synthetic",
    seconds: float = 60,
    **variables: str,
) -> DoctorSettings:
    """Those of the demo; ``variables`` are the environment variables of the run."""
    config = load_config(DEMO)
    return DoctorSettings(
        clip=config.clip,
        model=config.model,
        train=config.train,
        protocols=protocols,
        videos=videos,
        machine=Machine.load(variables=variables),
        seconds=seconds,
    )
