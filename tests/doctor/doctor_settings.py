"""Settings of the demo for checks in this process."""

from pathlib import Path

from dvdgan.guard.environment import RunEnvironment

from dvdgan.config import load_config
from dvdgan.doctor.settings import DoctorSettings

DEMO = Path(__file__).resolve().parents[2] / "presets" / "demo.yaml"


def settings(
    protocols: tuple[str, ...] = ("self_trained",),
    videos: str = "data/synthetic",
    prefect_api: str | None = None,
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
        environment=RunEnvironment.from_environment(variables),
        prefect_api=prefect_api,
    )
