"""params.yaml, typed and checked; the only door to pydantic."""

from dvdgan.config.checks import warnings
from dvdgan.config.load import fingerprint, load_config, parse_config
from dvdgan.config.schema import Config

__all__ = ["Config", "fingerprint", "load_config", "parse_config", "warnings"]
