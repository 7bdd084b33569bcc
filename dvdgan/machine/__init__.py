"""machine.yaml and its environment variables, typed and checked: where and with what to run."""

from dvdgan.machine.keys import NO_LAUNCHER
from dvdgan.machine.machine import Machine

__all__ = ["NO_LAUNCHER", "Machine"]
