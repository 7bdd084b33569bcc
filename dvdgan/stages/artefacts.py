"""The paths of each stage's outputs; dvc.yaml has the same paths."""

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

# Working folders outside of DVC, from which an interrupted stage resumes.
RUNS = Path(".runs")
FEATURE_CACHE = RUNS / "features"
