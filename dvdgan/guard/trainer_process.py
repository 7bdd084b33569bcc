"""The trainer as a child process."""

from collections.abc import Mapping, Sequence

from dvdgan.guard.launched_processes import LaunchedProcesses
from dvdgan.guard.run_folder import RunFolder
from dvdgan.machine import Machine

STOP_GRACE_SECONDS = 120.0


class TrainerProcess(LaunchedProcesses):
    """The trainer of a run, or the launcher of several.

    It ends when its supervisor does, however that ends.
    """

    def __init__(
        self,
        run: RunFolder,
        launcher: Sequence[str] | None = None,
        variables: Mapping[str, str] | None = None,
        output: int | None = None,
    ) -> None:
        """Start it by the command ``launcher`` (None: DVDGAN_LAUNCHER's).

        ``variables`` and ``output``: as in LaunchedProcesses.
        """
        if launcher is None:
            launcher = Machine.load().launch.launcher
        super().__init__([*launcher, "dvdgan.training", str(run.root)], variables, output)

    def stop(self, grace: float = STOP_GRACE_SECONDS) -> int:
        """As LaunchedProcesses: on SIGTERM it saves a checkpoint."""
        return super().stop(grace)
