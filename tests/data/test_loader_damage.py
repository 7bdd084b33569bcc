"""Damaged tars: reported and replaced alike by everyone, up to a budget; then named."""

import copyreg
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_shards import rows, same

from dvdgan.data.dataset import ClipDataset, DamagedShardError
from dvdgan.data.loader import RankShard, reference_clips, training_batches
from dvdgan.data.random_clips import ConditioningFrames, RandomClips
from dvdgan.errors import UserError

# Three workers on two cores.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

BATCHES = 6


def truncate(tar: Path, at: int) -> None:
    tar.write_bytes(tar.read_bytes()[:-1000])


def remove(tar: Path, at: int) -> None:
    tar.unlink()


def lengthen(tar: Path, at: int) -> None:
    tar.write_bytes(tar.read_bytes() + bytes(512))


def overwrite(offset: int, what: bytes) -> Callable[[Path, int], None]:
    def damage(tar: Path, at: int) -> None:
        data = bytearray(tar.read_bytes())
        data[at + offset : at + offset + len(what)] = what
        tar.write_bytes(data)

    return damage


TABLE_END = 8 + 8 * 33
DAMAGES = {
    "truncated": truncate,
    "missing": remove,
    "longer": lengthen,
    "magic": overwrite(0, b"DVDG"),
    "count": overwrite(4, bytes(4)),
    "huge offset": overwrite(8 + 8 * 12, b"\xff" * 8),
    "offsets out of order": overwrite(8 + 8 * 12, bytes(8)),
    "jpegs": overwrite(TABLE_END, bytes(40_000)),
}


@pytest.fixture
def broken(shards: Path, tmp_path: Path) -> Path:
    """A copy that tests may damage."""
    return Path(shutil.copytree(shards, tmp_path / "shards"))


def dataset_of(folder: Path) -> ClipDataset:
    return ClipDataset(folder, "train", 32, 12, 2)


def take(
    folder: Path, allowed: int, count: int = BATCHES, start: int = 0, **rank_shard: int
) -> list[torch.Tensor]:
    clips = RandomClips(dataset_of(folder), 0, max_damaged_shards=allowed)
    return rows(training_batches(clips, 4, start, RankShard(**rank_shard)), count)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_replaced_alike_by_everyone(
    shards: Path, broken: Path, damage: Callable[[Path, int], None], capfd: pytest.CaptureFixture
) -> None:
    dataset = dataset_of(broken)
    shard = dataset._shards[0]
    damage(broken / shard, int(dataset._offsets[0]))
    whole, replaced = take(shards, 0), take(broken, 1)
    printed = capfd.readouterr().err
    assert printed.count(f"shard {shard} is damaged") == 1 and printed.count("\n") == 1
    for workers in (1, 3):
        assert same(take(broken, 1, workers=workers), replaced)
    assert same(take(broken, 1, count=3, start=3, workers=2), replaced[3:])
    for rank in (0, 1):
        assert same(take(broken, 1, rank=rank, world=2), [batch[rank::2] for batch in replaced])
    # The clips of whole shards are those of a run without damage.
    videos = RandomClips(dataset, 0)
    kept = [dataset._shards[videos._video(number)] != shard for number in range(4 * BATCHES)]
    equal = [torch.equal(a, b) for a, b in zip(torch.cat(whole), torch.cat(replaced), strict=True)]
    assert all(same_clip for same_clip, keep in zip(equal, kept, strict=True) if keep)
    assert not all(equal)
    with pytest.raises(UserError, match=f"shard {shard} is damaged at sample"):
        take(broken, 0, workers=1)


@pytest.mark.parametrize("workers", [0, 2])
def test_beyond_the_budget_the_run_stops_and_names_them(
    broken: Path, workers: int, capfd: pytest.CaptureFixture
) -> None:
    names = sorted(set(dataset_of(broken)._shards))[:2]
    for name in names:
        truncate(broken / name, 0)
    take(broken, 2, workers=workers)
    printed = capfd.readouterr().err
    assert [printed.count(f"shard {name} is damaged") for name in names] == [1, 1]
    with pytest.raises(UserError, match="2 shards are damaged, more than") as stopped:
        take(broken, 1, workers=workers)
    assert all(name in str(stopped.value) for name in names)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("allowed", [0, 1])
def test_errors_come_from_workers_also_where_dask_has_taught_pickle_tracebacks(
    broken: Path, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tblib = pytest.importorskip("tblib.pickling_support")
    for kind in (DamagedShardError, UserError):  # what importing dask.distributed does for all
        monkeypatch.setitem(copyreg.dispatch_table, kind, tblib.pickle_exception)
    for name in sorted(set(dataset_of(broken)._shards))[: allowed + 1]:
        truncate(broken / name, 0)
    with pytest.raises(UserError, match="damaged"):
        take(broken, allowed, workers=1)


def test_where_nothing_can_be_read_the_run_ends(broken: Path) -> None:
    for tar in broken.glob("*.tar"):
        tar.unlink()
    with pytest.raises(UserError, match="randomly drawn videos can be read"):
        take(broken, 99)


def test_statistics_leave_nothing_out(broken: Path) -> None:
    dataset = dataset_of(broken)
    remove(broken / dataset._shards[0], 0)
    with pytest.raises(UserError, match="is damaged at sample"):
        list(reference_clips(dataset, 1))
    with pytest.raises(UserError, match="is damaged at sample"):
        ConditioningFrames(dataset, 0, 2)[0:8]
