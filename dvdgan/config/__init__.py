"""params.yaml, typed and checked; the only door to pydantic."""

from dvdgan.config.load import differences, fingerprint, load_config, parse_config
from dvdgan.config.schema import Config

__all__ = ["Config", "differences", "fingerprint", "load_config", "parse_config"]
