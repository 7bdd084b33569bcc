"""Every file that a stranger may have written, whole, and the public function that reads it."""

import json
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import webdataset
from containers import make
from tiny_run import CLIP, MODEL, TRAIN
from webdataset import TarWriter

from dvdgan.config import load_config
from dvdgan.data.dataset import ClipDataset
from dvdgan.data.frame_pack import decode_sample, pack
from dvdgan.data.listing import ListedFile, Listing
from dvdgan.data.listing_file import read_listing, read_root, write_listing
from dvdgan.data.manifest import read_manifest, write_rows
from dvdgan.data.shard_index import SAMPLE_SCHEMA
from dvdgan.data.shard_upload import upload_shards
from dvdgan.data.sources.array_file import ArrayFile
from dvdgan.errors import UserError
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.networks.feature_network import FeatureNetwork, save_feature_network
from dvdgan.evaluation.networks.small_i3d import SmallI3D
from dvdgan.evaluation.networks.tensor_files import read_npz, read_state_dict
from dvdgan.evaluation.pixel_statistics import PixelRanges
from dvdgan.evaluation.reference import (
    Description,
    RealReference,
    RealStatistics,
    load_mean_clip,
    save_description,
    save_mean_clip,
)
from dvdgan.export.sampler import Sampler
from dvdgan.export.sampling import opening_frames
from dvdgan.guard import ledger
from dvdgan.guard.backup_index import BackupIndex
from dvdgan.guard.restore import BackupReader
from dvdgan.guard.run_folder import verify_checkpoint, write_manifest
from dvdgan.models.architecture import GeneratorArchitecture
from dvdgan.models.generator import Generator
from dvdgan.models.spectral import bake
from dvdgan.protocols import TRAINED
from dvdgan.reporting.assessment import assess
from dvdgan.reporting.scores import numbers_table, read_results
from dvdgan.storage.folder import FolderStore
from dvdgan.storage.local import sha256_of_file, write_json
from dvdgan.storage.reading import reading
from dvdgan.storage.tensors import save_tensors
from dvdgan.training.checkpoint import load_checkpoint, save_checkpoint
from dvdgan.training.state import initial_state
from dvdgan.video.image import encode_frame

PROJECT = Path(__file__).resolve().parents[2]


class Case(NamedTuple):
    """``files`` are damaged in turn, ``load`` reads their folder, ``errors`` are its own."""

    files: list[str]
    load: Callable[[Path], object]
    errors: tuple[type[Exception], ...] = (UserError,)


def cases(folder: Path) -> dict[str, Case]:
    """Write every kind of file to a folder of its own below ``folder``."""
    made = {}
    for case in (
        *(bundle, checkpoint, shards, webdataset_shards, arrays, statistics, feature_network),
        *(published_weights, video, params, listing, manifest, results, run_ledger, backup),
    ):
        where = folder / case.__name__
        where.mkdir()
        made[case.__name__] = case(where)
    return made


def bundle(folder: Path) -> Case:
    """A model bundle, of which a clip is sampled."""
    architecture = {
        "classes": 2,
        "resolution": 32,
        "frames": 2,
        "channels": 1,
        "latent_dim": 4,
        "class_dim": 3,
    }
    generator = Generator(GeneratorArchitecture(**architecture))
    bake(generator)
    save_tensors(generator.state_dict(), folder / "generator.safetensors")
    config = {"generator": architecture, "classes": ["a", "b"], "fps": 12.5, "facts": {"step": 1}}
    write_json(folder / "config.json", config)

    def load(folder: Path) -> object:
        return Sampler.load(folder).sample(torch.tensor([0]), seed=0)

    return Case(["config.json", "generator.safetensors"], load)


def checkpoint(folder: Path) -> Case:
    """A checkpoint whose manifest a stranger has made right."""
    state = initial_state(CLIP, MODEL, TRAIN, 2, torch.device("cpu"), 0)
    save_checkpoint(state, folder, fingerprint="f", conditions={"processes": 1})
    names = sorted(path.name for path in folder.iterdir())

    def load(folder: Path) -> object:
        if (problem := verify_checkpoint(folder)) is not None:
            (folder / "manifest.json").unlink()
            write_manifest(folder)
            if verify_checkpoint(folder) is not None:
                raise UserError(problem)
        return load_checkpoint(state, folder)

    return Case(names, load)


def shards(folder: Path) -> Case:
    """A set of shards, of which every clip is read."""
    name = _write_shards(folder)

    def load(folder: Path) -> object:
        data = ClipDataset(folder, "train", 16, 2, 1)
        for video in range(len(data)):
            data.read(video, 0, 0, 0)
        return upload_shards(FolderStore(folder / "store"), folder)

    return Case(["index.json", "samples.parquet", name], load)


def webdataset_shards(folder: Path) -> Case:
    """The same as webdataset reads them."""
    name = _write_shards(folder)

    def load(folder: Path) -> object:
        # Its own errors: a tar that ends early, a member without an ending.
        samples = webdataset.WebDataset(
            str(folder / name), shardshuffle=False, handler=webdataset.ignore_and_stop
        )
        return [decode_sample(sample) for sample in samples]

    return Case([name], load, (UserError, ValueError))


def arrays(folder: Path) -> Case:
    """Clips in every kind of file of arrays, with labels."""
    clips = np.arange(3 * 2 * 8 * 8 * 3, dtype=np.uint8).reshape(3, 2, 8, 8, 3)
    named = {"clips": torch.from_numpy(clips), "labels": torch.arange(3)}
    np.save(folder / "a.npy", clips)
    np.savez_compressed(folder / "a.npz", clips=clips, labels=np.arange(3))
    torch.save(named, folder / "a.pt")
    save_tensors(named, folder / "a.safetensors")
    names = ["a.npy", "a.npz", "a.pt", "a.safetensors"]

    def load(folder: Path) -> object:
        return [ArrayFile(folder / name).read(0, 3) for name in names]

    return Case(names, load)


def statistics(folder: Path) -> Case:
    """The statistics of real clips, and features of clips."""
    random = torch.Generator().manual_seed(0)
    rows = [torch.rand(6, size, generator=random) for size in (4, 3)]
    scalars = [torch.rand(6, generator=random) for _ in range(3)]
    real = RealStatistics(6, keep=4)
    real.add(ClipFeatures(*rows, torch.arange(6), *scalars))
    real.save(folder, "train")
    fields = {"value_range": "[-1, 1]", "resize": "none", "resolution": 32, "frames": 2}
    description = Description("self_trained", "d", "n", "w", **fields, stride=1, clips_per_video=1)
    save_description(folder, description, {"train": 6})
    clips = torch.zeros(2, 2, 3, 8, 8, dtype=torch.uint8)
    save_mean_clip(folder / "mean.safetensors", [(clips, torch.zeros(2))])
    names = ("motion", "brightness", "contrast", "saturation", "alternation", "jitter")
    fields = [name for name in names if name in PixelRanges.__dataclass_fields__]
    write_json(folder / "ranges.json", {name: [0.0, 1.0] for name in fields})

    def load(folder: Path) -> object:
        found = RealReference.load(folder, "train")
        return (
            *(found.pooled.covariance, found.kept.rows(torch.tensor([0])), found.kept_videos),
            load_mean_clip(folder / "mean.safetensors"),
            PixelRanges.load(folder / "ranges.json"),
        )

    files = ["train.safetensors", "train_clips.safetensors", "reference.json"]
    return Case([*files, "mean.safetensors", "ranges.json"], load)


def feature_network(folder: Path) -> Case:
    """A feature network whose hash a stranger has made right."""
    name = sorted(TRAINED)[0]
    where = folder / "network"
    save_feature_network(where, name, SmallI3D(2, 4), ["a", "b"], 0.5, width=4)

    def load(folder: Path) -> object:
        where = folder / "network"
        try:
            config = json.loads((where / "config.json").read_bytes())
            config["sha256"] = sha256_of_file(where / "network.safetensors")
            (where / "config.json").write_text(json.dumps(config))
        except (ValueError, TypeError, RecursionError):
            config = None  # the loader has to say so
        return FeatureNetwork.load(where)

    return Case(["network/config.json", "network/network.safetensors"], load)


def published_weights(folder: Path) -> Case:
    """Files that `dvdgan convert` reads."""
    torch.save({"a.weight": torch.rand(3, 4), "b": torch.arange(3)}, folder / "weights.pt")
    old = {"a.weight": torch.rand(3, 4)}
    torch.save(old, folder / "old.pth", _use_new_zipfile_serialization=False)
    np.savez(folder / "weights.npz", a=np.zeros((3, 4), np.float32), b=np.arange(3))

    def load(folder: Path) -> object:
        return (
            read_state_dict(folder / "weights.pt"),
            read_state_dict(folder / "old.pth"),
            read_npz(folder / "weights.npz"),
        )

    return Case(["weights.pt", "old.pth", "weights.npz"], load)


def video(folder: Path) -> Case:
    """A video to continue."""
    (folder / "video.mp4").write_bytes(make("mp4"))
    return Case(["video.mp4"], lambda folder: opening_frames(folder / "video.mp4", 2, 32))


def params(folder: Path) -> Case:
    """params.yaml."""
    (folder / "params.yaml").write_bytes((PROJECT / "params.yaml").read_bytes())
    return Case(["params.yaml"], lambda folder: load_config(folder / "params.yaml"))


def listing(folder: Path) -> Case:
    """A listing of raw data."""
    files = [ListedFile(f"a/{number}.mp4", 10, 5) for number in range(5)]
    write_listing(Listing(list(files), Counter()), "/videos", folder / "listing")

    def load(folder: Path) -> object:
        return read_root(folder / "listing"), read_listing(folder / "listing").files

    return Case(["listing"], load)


def manifest(folder: Path) -> Case:
    """manifest.parquet."""
    table = {"id": ["a", "b"], "path": ["a/1", "b/2"], "label": [0, 1], "fps": [1.0, 2.0]}
    pq.write_table(pa.table(table), folder / "manifest.parquet")
    return Case(["manifest.parquet"], lambda folder: read_manifest(folder / "manifest.parquet"))


def results(folder: Path) -> Case:
    """results.json, of which `dvdgan report --show` prints the metrics."""

    def metric(name: str, value: float) -> dict[str, Any]:
        measured = {"name": name, "value": value, "interval": [value - 1, value + 1]}
        return {f"{name}[x]": {**measured, "protocol": {"protocol": "p", "clips": 256}}}

    clips = metric("FVD", 9.0) | metric("precision", 0.5) | metric("coverage", 0.5)
    controls = {"real test clips": metric("FVD", 3.0), "mean clip": metric("FVD", 90.0)}
    document = {"generated": clips, "controls": controls, "details": {}, "memorisation": {}}
    write_json(folder / "results.json", {**document, "truncation": [], "warnings": []})

    def load(folder: Path) -> object:
        found = read_results(folder)
        with reading(folder, "the folder of an evaluation"):  # as `show` of the stage does
            return assess(found), numbers_table(found)

    return Case(["results.json"], load)


def run_ledger(folder: Path) -> Case:
    """ledger.jsonl, with what the guard and the pages make of it."""
    history = PROJECT / "tests/guard/run_of_version_0_1/ledger.jsonl"
    (folder / "ledger.jsonl").write_bytes(history.read_bytes())

    def load(folder: Path) -> object:
        return _conclusions(ledger.read(folder / "ledger.jsonl"))

    return Case(["ledger.jsonl"], load)


def backup(folder: Path) -> Case:
    """The index of a remote backup."""
    line = (PROJECT / "tests/guard/run_of_version_0_1/ledger.jsonl").read_bytes()
    BackupIndex(line, {10: "a" * 64}, {}).write(FolderStore(folder))
    return Case(["copy.json"], lambda folder: BackupReader.of(FolderStore(folder)).index)


def _conclusions(events: list[ledger.Event]) -> object:
    return (
        *(ledger.evaluations(events), ledger.baseline(events), ledger.best(events)),
        *(ledger.best_so_far(events), ledger.kept(events, [10, 20], 2), ledger.reached(events)),
        *(ledger.rollback_step(events, [10, 20]), ledger.finished(events, 90)),
        *(ledger.schedule_override_of(events), ledger.restart_index_of(events, 10)),
        *(ledger.not_evaluated(events), [ledger.describe(event) for event in events]),
    )


def _write_shards(folder: Path) -> str:
    """Two videos of four frames in one tar; its name."""
    noise = np.random.default_rng(0).integers(0, 256, (4, 16, 20, 3)).astype(np.uint8)
    member, tar = pack([encode_frame(frame, 90) for frame in noise]), folder / "train-00000.tar"
    facts = {"label": 0, "frames": 4, "width": 20, "height": 16, "fps": 25.0}
    with TarWriter(str(tar), mtime=0) as writer:
        for name in ("a", "b"):
            writer.write({"__key__": name, "frames": member, "json": json.dumps(facts).encode()})
    with tarfile.open(tar) as opened:
        rows = [
            {"id": each.name[:1], "split": "train", "shard": tar.name, **facts}
            | {"offset": each.offset_data, "size": each.size}
            for each in opened
            if each.name.endswith(".frames")
        ]
    write_rows(rows, SAMPLE_SCHEMA, folder / "samples.parquet")
    shard = {"name": tar.name, "split": "train", "bytes": tar.stat().st_size}
    index = {"classes": ["a"], "short_side": 16, "fingerprint": "f", "quality": 90}
    shard["sha256"] = sha256_of_file(tar)
    write_json(folder / "index.json", {**index, "shards": [shard], "totals": {"videos": 2}})
    return tar.name
