"""Clips a second whose features are extracted, here and by a plain script, on the same clips.

    python benchmarks/feature_extraction.py --videos ../shared/data/intel_scenes
    python benchmarks/feature_extraction.py --videos FOLDER --clips 64 --device cuda --threads 16
    python benchmarks/feature_extraction.py --videos FOLDER --device cuda --tf32

Ours is what `dvdgan evaluate --generated FOLDER` does: files in, features on disk. The plain script
(plain_extraction.py) does what popular FVD scripts do. Both take the first T frames of each video,
on one core unless more threads are requested, in turns; medians. A shared machine disturbs the time
of the processor less than the clock: both are reported. Speed does not depend on weights: these are
random. Results must agree: the relative L2 of the features is printed, more than 1e-4 is an error.
With --tf32 the plain script rounds the factors of convolutions on a GPU to ten bits, as torch does
if nobody forbids it, and then need not agree; ours never does.
"""

import argparse
import copy
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from plain_extraction import normalised, plain_features
from torch import Tensor, nn

from dvdgan.data.sources.clip_source import Windowing
from dvdgan.data.sources.video_folder import VideoFolder
from dvdgan.evaluation.feature_cache import FeatureCache
from dvdgan.evaluation.networks.clip_network import ClipNetwork
from dvdgan.evaluation.networks.feature_network import FeatureNetwork, save_feature_network
from dvdgan.evaluation.networks.i3d import I3D
from dvdgan.evaluation.networks.small_i3d import SmallI3D
from dvdgan.storage.output import check_output_file, write_output

AGREEMENT = 1e-4
CLASSES, WIDTH = 400, 16
RULES = {"i3d_k400": "bilinear_legacy", "small_i3d": "none"}


def main() -> None:
    """Measure, print the table, and write it as JSON if requested."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=Path, required=True, help="folder, or one of folders")
    parser.add_argument("--network", choices=RULES, nargs="+", default=list(RULES))
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--resolution", type=int, default=64, help="of the clips, px")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tf32", action="store_true", help="let the plain script round on a GPU")
    parser.add_argument("--write", type=Path, help="write the result as JSON to this file")
    options = parser.parse_args()
    if options.write is not None:
        check_output_file(options.write)
    torch.set_num_threads(options.threads)
    torch.backends.cudnn.allow_tf32 = options.tf32
    cores = sorted(os.sched_getaffinity(0))[: options.threads]
    os.sched_setaffinity(0, cores)
    rows = [_compare(name, options) for name in options.network]
    result = {
        "machine": platform.processor() or platform.machine(),
        "device": torch.cuda.get_device_name() if options.device == "cuda" else options.device,
        "plain_tf32": options.tf32,
        "threads": options.threads,
        "videos": options.videos.name,
        "clips": options.clips,
        "shape": [options.frames, options.resolution],
        "rows": rows,
    }
    print(_table(result))
    if options.write is not None:
        write_output(options.write, result)


def _compare(name: str, options: argparse.Namespace) -> dict[str, Any]:
    network = _network(name)
    plain = normalised(copy.deepcopy(network)) if name == "i3d_k400" else copy.deepcopy(network)
    plain = plain.to(options.device)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "network"
        classes = [str(label) for label in range(CLASSES)]
        save_feature_network(weights, name, network, classes, width=WIDTH)
        ours = FeatureNetwork.load(weights, options.device, RULES[name])
        videos = _linked(options.videos, options.clips, Path(folder) / "videos")
        files = sorted(videos.iterdir())
        numbers = iter(range(1000))

        def extracted() -> Tensor:
            windowing = Windowing(options.frames)
            source = VideoFolder(videos, windowing, options.resolution, options.threads)
            cache = FeatureCache(ours, source, Path(folder) / str(next(numbers)))
            cache.extract(name)
            return cache.complete().pooled

        def scripted() -> Tensor:
            size = options.frames, options.resolution
            return plain_features(files, plain, *size, RULES[name], options.device)

        timings: dict[str, list[tuple[float, float]]] = {"plain": [], "ours": []}
        for _ in range(options.repeats):
            expected = _timed(scripted, timings["plain"])
            found = _timed(extracted, timings["ours"])
    difference = float((found - expected).norm() / expected.norm())
    if difference > AGREEMENT and not options.tf32:
        raise SystemExit(f"{name}: the features differ by {difference:.1e}")
    clock, processor = (
        {
            who: options.clips / statistics.median(t[kind] for t in each)
            for who, each in timings.items()
        }
        for kind in (0, 1)
    )
    return {
        "network": name,
        "clips_per_second": clock,
        "clips_per_core_second": processor,
        "ratio_clock": clock["ours"] / clock["plain"],
        "ratio_processor": processor["ours"] / processor["plain"],
        "relative_l2": difference,
    }


def _network(name: str) -> ClipNetwork:
    torch.manual_seed(0)
    network = I3D(CLASSES) if name == "i3d_k400" else SmallI3D(CLASSES, WIDTH)
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight)
    return network.eval()


def _linked(root: Path, count: int, folder: Path) -> Path:
    """A folder with links to ``count`` of the videos below ``root``, evenly spread."""
    files = sorted(path for path in root.rglob("*") if path.suffix in (".mp4", ".avi", ".webm"))
    if len(files) < count:
        raise SystemExit(f"{root} holds {len(files)} videos, fewer than {count}")
    folder.mkdir()
    for number in range(count):
        file = files[number * len(files) // count].resolve()
        (folder / f"{number:05d}{file.suffix}").symlink_to(file)
    return folder


def _timed(work: Callable[[], Tensor], timings: list[tuple[float, float]]) -> Tensor:
    """The result; seconds by the clock and of the processor join ``timings``."""
    began, worked = time.perf_counter(), time.process_time()
    result = work()
    timings.append((time.perf_counter() - began, time.process_time() - worked))
    return result


def _table(result: dict[str, Any]) -> str:
    lines = [
        f"{'network':12}{'plain':>10}{'ours':>10}{'ratio':>8}{'plain':>16}{'ours':>10}{'ratio':>8}"
        f"{'relative L2':>14}",
        f"{'':12}{'clips/s by the clock':>20}{'':8}{'a second of a core':>26}",
    ]
    for row in result["rows"]:
        clock, core = row["clips_per_second"], row["clips_per_core_second"]
        lines.append(
            f"{row['network']:12}{clock['plain']:>10.3g}{clock['ours']:>10.3g}"
            f"{row['ratio_clock']:>8.2f}{core['plain']:>16.3g}{core['ours']:>10.3g}"
            f"{row['ratio_processor']:>8.2f}{row['relative_l2']:>14.1e}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
