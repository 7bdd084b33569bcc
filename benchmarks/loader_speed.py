"""Clips a second that one core loads, from a local disk and from a store, and what a GPU eats.

    python benchmarks/loader_speed.py --write benchmarks/results/loader_cpu.json
    python benchmarks/loader_speed.py --quick

The shards are made here, of drawn videos with noise that makes a frame's JPEG as large as one of a
real video. The loader, with its worker where it has one, is held on one core. The store is an HTTP
server on this machine that answers S3's GETs and HEADs at once, or each after a delay; a cache on
disk holds all videos when its speed is measured. Medians of several stretches of batches; the
processor's time is that of a loader without workers. Requests and bytes are those of the first and
of the second epoch of a new process. To compare with: the mp4 decoded up to the end of each clip's
window.

A step is two updates of D, each G forward and D forward and backward on as many fake clips as real
ones, and one update of G. A backward pass counts twice its forward pass, but in the update of G
once for D, whose weights stand still.
"""

import argparse
import contextlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from dvdgan.config import Config, load_config, parse_config
from dvdgan.data.dataset import ClipDataset
from dvdgan.data.loader import RankShard, training_batches
from dvdgan.data.random_clips import RandomClips
from dvdgan.data.shard_source import StoredShards
from dvdgan.data.synthetic import MOTIONS, draw
from dvdgan.models import build
from dvdgan.models.cost import model_cost
from dvdgan.progress import Progress
from dvdgan.stages import index, shard
from dvdgan.stages.artefacts import SHARDS
from dvdgan.storage.bounded_cache import BoundedCache
from dvdgan.storage.local import read_json
from dvdgan.storage.output import check_output_file, write_output
from dvdgan.storage.s3 import S3Store
from dvdgan.video import decode
from dvdgan.video.encode import encode_mp4
from dvdgan.video.image import crop, resize_short_side

PRESETS = Path(__file__).resolve().parents[1] / "presets"
SERVER = Path(__file__).with_name("object_server.py")
MODELS = ("table1_12x64", "table1_48x64", "table1_48x128")
FRAMES, SIZE, NOISE = 150, 160, 25.0
BATCH = 32
CLASSES = 600
CACHE_BYTES = 10**10

# NVIDIA's dense bf16 figure for the H200, in operations (two a multiply-add), and the part of it
# that a training step is taken to reach.
PEAK, REACHED = 989e12, 0.4


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    videos_per_class: int
    stretches: int
    seconds: float
    """A stretch lasts at least so long."""


@dataclass(frozen=True)
class Speed:
    """One row of the table."""

    model: str
    source: str
    workers: int
    clips_per_second: float
    cpu_ms_per_clip: float | None


@dataclass(frozen=True)
class Traffic:
    """What one epoch reads from the store."""

    model: str
    cache: bool
    epoch: int
    requests_per_clip: float
    kilobytes_per_clip: float


class CountingStore(S3Store):
    """Counts requests for tars, and the bytes they answer."""

    requests = 0
    bytes_read = 0

    def read(self, key: str, start: int, length: int, etag: str | None = None) -> bytes:
        self.requests += 1
        self.bytes_read += length
        return super().read(key, start, length, etag)

    def size(self, key: str) -> int:
        self.requests += 1
        return super().size(key)


def main() -> None:
    """Make shards, measure, print the table, and write it as JSON if requested."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer videos, shorter stretches")
    parser.add_argument("--delay-ms", type=float, default=20, help="of the slow store's answers")
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    options = parser.parse_args()
    if options.write is not None:
        check_output_file(options.write)
    effort = Effort(1, 3, 0.3) if options.quick else Effort(4, 5, 2.0)
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        result = _measure(Path(folder), effort, options.delay_ms, cores)
    print(_table(result))
    if options.write is not None:
        write_output(options.write, result)


def _measure(folder: Path, effort: Effort, delay_ms: float, cores: list[int]) -> dict[str, Any]:
    _draw_videos(folder / "videos", effort.videos_per_class)
    slow = f"store, {delay_ms:g} ms"
    sources = {
        "disk": (None, False),
        "store": (0.0, False),
        slow: (delay_ms, False),
        f"{slow}, cache": (delay_ms, True),
    }
    traffic = []
    rows: list[Speed] = []
    bytes_per_frame = {}
    for name in MODELS:
        clip = load_config(PRESETS / f"{name}.yaml").clip
        shards = _shards(folder, name)
        totals = read_json(shards / "index.json")["totals"]
        bytes_per_frame[f"{clip.resolution}"] = round(totals["bytes"] / totals["frames"])
        size = (clip.resolution, clip.frames, clip.stride)
        rows.append(Speed(name, "mp4", 0, *_mp4_speed(folder / "videos", size, effort, cores[0])))
        for source, (delay, cached) in sources.items():
            with _store(shards, delay, cores[-1]) as store:
                cache = BoundedCache(folder / "cache" / name, CACHE_BYTES) if cached else None
                dataset = ClipDataset(
                    StoredShards(store, cache) if store else shards, "train", *size
                )
                if store is not None and delay:
                    traffic += [asdict(row) for row in _traffic(name, dataset, store, cached)]
                for workers in (0, 1):
                    speed = _speed(dataset, workers, effort, cores[0])
                    rows.append(Speed(name, source, workers, *speed))
    return {
        "machine": platform.processor() or platform.machine(),
        "batch": BATCH,
        "bytes_per_frame": bytes_per_frame,
        "speeds": [asdict(row) for row in rows],
        "traffic": traffic,
        "eaten": {name: _eaten(load_config(PRESETS / f"{name}.yaml")) for name in MODELS},
    }


def _draw_videos(root: Path, videos_per_class: int) -> None:
    names = [(label, number) for label in MOTIONS for number in range(videos_per_class)]
    with Progress("videos", len(names), "videos") as progress:
        for label, number in names:
            rng = np.random.default_rng(number)
            drawn = draw(label, rng, SIZE, FRAMES)
            noisy = np.clip(drawn + rng.normal(0, NOISE, drawn.shape), 0, 255).astype(np.uint8)
            (root / label).mkdir(parents=True, exist_ok=True)
            (root / label / f"{number}.mp4").write_bytes(encode_mp4(noisy, 25, crf=10))
            progress.advance()


def _shards(folder: Path, name: str) -> Path:
    """The stages index and shard of a preset, on the drawn videos."""
    params = load_config(PRESETS / f"{name}.yaml").model_dump()
    videos = {"root": str(folder / "videos"), "source": "class_folders", "test_fraction": 0.0}
    params["index"] |= videos
    config = parse_config(params)
    work = folder / str(config.clip.resolution)
    work.mkdir(exist_ok=True)
    with contextlib.chdir(work):
        if not SHARDS.exists():
            index.run(config, workers=1)
            shard.run(config, workers=1)
    return work / SHARDS


@contextlib.contextmanager
def _store(shards: Path, delay_ms: float | None, core: int) -> "Iterator[CountingStore | None]":
    """The store whose answers take ``delay_ms``; its server has a core of its own if it can."""
    if delay_ms is None:
        yield None
        return
    server = subprocess.Popen(
        [
            sys.executable,
            Path(__file__).with_name("object_server.py"),
            shards,
            f"{delay_ms / 1000}",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        os.sched_setaffinity(server.pid, {core})
        os.environ |= {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{int(server.stdout.readline())}",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        yield CountingStore("shards")
    finally:
        server.terminate()
        server.wait()


def _traffic(
    model: str, data: ClipDataset, store: CountingStore, cached: bool
) -> Iterator[Traffic]:
    """Of two epochs; the cache, if there is one, is empty before the first."""
    clips, videos = RandomClips(data, 0), len(data)
    for epoch in (1, 2):
        store.requests = store.bytes_read = 0
        for first in range((epoch - 1) * videos, epoch * videos, BATCH):
            clips.read(range(first, min(first + BATCH, epoch * videos)))
        requests, kilobytes = store.requests / videos, store.bytes_read / videos / 1000
        yield Traffic(model, cached, epoch, round(requests, 2), round(kilobytes, 1))


def _mp4_speed(
    root: Path, size: tuple[int, int, int], effort: Effort, core: int
) -> tuple[float, float]:
    """Clips a second, and milliseconds of the processor a clip, decoded from the videos."""
    resolution, frames, stride = size
    span = (frames - 1) * stride + 1
    videos, rng = sorted(root.rglob("*.mp4")), np.random.default_rng(0)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        began, worked, clips = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - began < effort.stretches * effort.seconds:
            start = int(rng.integers(FRAMES - span + 1))
            decoded = decode.frames(videos[int(rng.integers(len(videos)))])
            for frame in islice(decoded, start, start + span, stride):
                crop(resize_short_side(frame, resolution, 1.0), 0, 0, resolution)
            clips += 1
        rate = clips / (time.perf_counter() - began)
        return round(rate, 1), round(1000 * (time.process_time() - worked) / clips, 3)
    finally:
        os.sched_setaffinity(0, before)


def _speed(
    data: ClipDataset, workers: int, effort: Effort, core: int
) -> tuple[float, float | None]:
    """Clips a second, and milliseconds of the processor a clip where this process reads alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})  # workers inherit it
    try:
        batches = training_batches(
            RandomClips(data, 0), BATCH, rank_shard=RankShard(workers=workers)
        )
        for _ in islice(batches, 2 + 2 * workers):  # opens files; empties what was fetched ahead
            pass
        rates, costs = [], []
        for _ in range(effort.stretches):
            began, worked, clips = time.perf_counter(), time.process_time(), 0
            while time.perf_counter() - began < effort.seconds:
                clips += len(next(batches)[1])
            rates.append(clips / (time.perf_counter() - began))
            costs.append(1000 * (time.process_time() - worked) / clips)
    finally:
        os.sched_setaffinity(0, before)
    cost = None if workers else round(statistics.median(costs), 3)
    return round(statistics.median(rates), 1), cost


def _eaten(config: Config) -> dict[str, float]:
    """What training costs for each real clip, and how many of them an H200 would take a second."""
    networks = (
        build.generator_architecture(config.model, config.clip, CLASSES),
        build.discriminator_architecture(config.model, config.clip, CLASSES),
    )
    cost = model_cost(*networks, k=config.model.spatial_frames)
    updates = config.train.discriminator_steps
    per_clip = cost.train_step(updates) / updates
    return {
        "giga_multiply_adds_per_real_clip": round(per_clip / 1e9, 1),
        "clips_per_second": round(REACHED * PEAK / (2 * per_clip), 1),
    }


def _table(result: dict[str, Any]) -> str:
    lines = [f"{'clips of':16}{'source':22}{'workers':>8}{'clips/s':>10}{'CPU ms a clip':>16}"]
    for row in result["speeds"]:
        cost = "" if row["cpu_ms_per_clip"] is None else f"{row['cpu_ms_per_clip']:.2f}"
        lines.append(
            f"{row['model']:16}{row['source']:22}{row['workers']:>8}"
            f"{row['clips_per_second']:>10.1f}{cost:>16}"
        )
    lines.append("")
    for row in result["traffic"]:
        lines.append(
            f"{row['model']:16}{'cache' if row['cache'] else 'no cache':10}epoch {row['epoch']}: "
            f"{row['requests_per_clip']:.2f} requests, {row['kilobytes_per_clip']:,.0f} kB a clip"
        )
    lines.append("")
    for name, eaten in result["eaten"].items():
        lines.append(
            f"{name}: {eaten['giga_multiply_adds_per_real_clip']:,.0f} G multiply-adds for each "
            f"real clip; an H200 at {REACHED:.0%} of {PEAK / 1e12:.0f} T operations/s eats "
            f"{eaten['clips_per_second']:.0f} clips/s"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
