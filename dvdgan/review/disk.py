"""What a change takes on disk: shards, and all outputs in DVC's cache."""

from dataclasses import dataclass
from pathlib import Path

from dvdgan.guard.origin import flat
from dvdgan.review.changes import changed_params, outdated_stages
from dvdgan.review.pipeline import PipelineRevision

SHARDS, TRAIN = "artifacts/shards", "artifacts/train"
# Other keys of index, shard and clip choose videos or their compression.
SIDE = "shard.short_side"
OF_SHARDS = ("index.", "shard.", "clip.")


@dataclass(frozen=True)
class DiskUse:
    """Bytes before and now; None if they are known only when the stages have run."""

    what: str
    before: int | None
    now: int | None


def disk_use(before: PipelineRevision, now: PipelineRevision, again: set[str]) -> list[DiskUse]:
    """The outputs of the stages that run again, as dvc.lock has them, and the shards among them.

    Empty if neither shards nor the model are made again. Shards that were not written yet take
    as many bytes a pixel as before, unless other keys than their size changed.
    """
    if not again & {now.produced.get(SHARDS), now.produced.get(TRAIN)}:
        return []
    found = []
    if now.produced.get(SHARDS) in again:
        size = _recorded(now, {now.produced[SHARDS]})
        found.append(DiskUse("shards", *_shards(before, now, size)))
    outputs = (_recorded(at, again) for at in (before, now))
    found.append(DiskUse("outputs of the stages that run again, in DVC's cache", *outputs))
    return [each for each in found if (each.before, each.now) != (None, None)]


def run_bytes(run: Path) -> tuple[int, int]:
    """Bytes of a run folder, and how many checkpoints it keeps."""
    sizes = (path.stat().st_size for path in run.rglob("*") if path.is_file())
    return sum(sizes), len(list(run.glob("checkpoints/step-*")))


def _shards(
    before: PipelineRevision, now: PipelineRevision, written: int | None
) -> tuple[int | None, int | None]:
    old = _recorded(before, {before.produced.get(SHARDS, "")})
    if written is not None or old is None:
        return old, written
    changed = [each.key for each in changed_params(before.params, now.params)]
    if SIDE not in changed or any(key.startswith(OF_SHARDS) for key in changed if key != SIDE):
        return old, None
    sides = [flat(at.params)[SIDE] for at in (before, now)]
    return old, round(old * (sides[1] / sides[0]) ** 2)


def _recorded(at: PipelineRevision, stages: set[str]) -> int | None:
    """Bytes of the outputs of ``stages`` in dvc.lock, where all are there and of these params."""
    found = [stage for stage in at.stages if stage.name in stages]
    if stages & outdated_stages(at) or not all(stage.output_bytes for stage in found):
        return None
    return sum(stage.output_bytes for stage in found) or None
