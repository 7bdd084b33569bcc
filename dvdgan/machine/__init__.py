"""machine.yaml and its environment variables, typed and checked: where and with what to run."""

from dvdgan.machine.machine import Machine

__all__ = ["Machine"]
