"""Where each stage leaves what it makes; the same paths stand in dvc.yaml."""

from pathlib import Path

INDEX = Path("artifacts/index")
SHARDS = Path("artifacts/shards")
FEATURES = Path("artifacts/features")
REFERENCE = Path("artifacts/reference")
TRAIN = Path("artifacts/train")
MODEL = Path("artifacts/model")
EVALUATE = Path("artifacts/evaluate")
MONITOR = Path("artifacts/monitor")
REPORT = Path("artifacts/report")

# Working folders that DVC does not own: an interrupted stage resumes here.
RUNS = Path(".runs")
FEATURE_CACHE = RUNS / "features"
