"""Files made to run code or to take all memory: each is refused, and does neither."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from dvdgan.config import load_config
from dvdgan.data import parquet_rows
from dvdgan.data.parquet_rows import read_table
from dvdgan.data.sources.array_reading import read_arrays
from dvdgan.errors import UserError
from dvdgan.evaluation.networks.feature_network import FeatureNetwork
from dvdgan.evaluation.networks.tensor_files import read_npz, read_state_dict
from dvdgan.evaluation.networks.torchscript_i3d import TorchScriptI3D
from dvdgan.export.sampler import Sampler
from dvdgan.guard.run_folder import verify_checkpoint, write_manifest
from dvdgan.storage import archives
from dvdgan.storage.local import sha256_of_file, write_json
from dvdgan.video.image import decode_frame, encode_frame


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
        return os.system, (f"touch {self.path}",)


def pickled(folder: Path, name: str) -> Path:
    """A file ``name`` with a pickle that writes folder/ran, as the libraries save one."""
    bomb, path = Bomb(folder / "ran"), folder / name
    if path.suffix == ".npy":
        np.save(path, np.array([bomb], object), allow_pickle=True)
    elif path.suffix == ".npz":
        np.savez(path, clips=np.array([bomb], object), allow_pickle=True)
    elif name.startswith("old"):
        torch.save({"a": bomb}, path, _use_new_zipfile_serialization=False)
    elif name.startswith("plain"):
        path.write_bytes(pickle.dumps(bomb))
    else:
        torch.save({"a": bomb}, path)
    return path


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("clips.npy", read_arrays),
        ("clips.npz", read_arrays),
        ("clips.pt", read_arrays),
        ("old.pt", read_arrays),
        ("plain.pt", read_arrays),
        ("plain.npy", read_arrays),
        ("weights.pth", read_state_dict),
        ("old.pth", read_state_dict),
        ("plain.pth", read_state_dict),
        ("weights.npz", read_npz),
    ],
)
def test_a_pickle_does_not_run(tmp_path: Path, name: str, read: Callable[[Path], object]) -> None:
    path = pickled(tmp_path, name)
    with pytest.raises(UserError):
        read(path)
    assert not (tmp_path / "ran").exists()


def test_the_pickle_would_run(tmp_path: Path) -> None:
    torch.load(pickled(tmp_path, "clips.pt"), weights_only=False)
    assert (tmp_path / "ran").exists()


def test_a_checkpoint_with_a_pickle_is_refused_unread(tmp_path: Path) -> None:
    pickled(tmp_path, "state.pt")
    write_manifest(tmp_path)
    assert "other formats may run code" in (verify_checkpoint(tmp_path) or "")


def test_a_torchscript_program_of_a_stranger_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("it was loaded"))
    program = tmp_path / "network.pt"
    program.write_bytes(b"a program")
    sha256 = sha256_of_file(program)
    config = {"network": "i3d_torchscript", "classes": ["a"], "test_accuracy": None}
    write_json(tmp_path / "config.json", {**config, "sha256": sha256})
    with pytest.raises(UserError, match="unknown programs are not loaded"):
        FeatureNetwork.load(tmp_path)
    with pytest.raises(UserError, match="unknown programs are not loaded"):
        TorchScriptI3D.load(program, "0" * 64)


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!!python/object/new:os.system", "!Bomb"]
)
def test_a_tag_in_params_runs_nothing(tmp_path: Path, tag: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"index: {tag} ['touch {tmp_path / 'ran'}']\n", encoding="utf-8")
    with pytest.raises(UserError, match="not valid YAML"):
        load_config(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("frames", 10**9), ("channels", 10**9), ("latent_dim", 10**12), ("classes", 10**9)),
        *(("resolution", 10**6), ("block_norm", "os.system"), ("recurrence", ["x"])),
    ],
)
def test_a_config_of_a_bundle_cannot_ask_for_gigabytes(
    tmp_path: Path, key: str, value: object
) -> None:
    architecture = {"classes": 2, "resolution": 32, "frames": 2, "channels": 1}
    config = {"generator": {**architecture, key: value}, "classes": ["a", "b"], "fps": 25.0}
    write_json(tmp_path / "config.json", config)
    (tmp_path / "generator.safetensors").write_bytes(b"\2" + bytes(7) + b"{}")
    with pytest.raises(UserError, match=r"config\.json is not") as raised:
        Sampler.load(tmp_path)
    assert key in str(raised.value)


def test_an_archive_of_zeros_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MOST_BYTES", 1 << 20)
    for name, read in (("a.npz", read_arrays), ("b.npz", read_npz)):
        np.savez_compressed(tmp_path / name, clips=np.zeros((8, 1, 512, 1024, 3), np.uint8))
        with pytest.raises(UserError, match="would unpack to"):
            read(tmp_path / name)


def test_a_tensor_that_repeats_its_values_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clips.pt"
    torch.save(torch.zeros(1, 1, 1, 1, 1, dtype=torch.uint8).expand(10**6, 64, 3, 256, 256), path)
    assert path.stat().st_size < 10_000
    with pytest.raises(UserError, match="repeats its values"):
        read_arrays(path)
    torch.save({"a": torch.zeros(1).expand(10**12)}, path)
    with pytest.raises(UserError, match="repeats its values"):
        read_state_dict(path)


def test_a_table_of_more_rows_than_bytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "samples.parquet"
    pq.write_table(pa.table({"id": ["a"] * 3_000_000}), path)
    assert path.stat().st_size < 100_000
    with pytest.raises(ValueError, match="3,000,000 rows"):
        read_table(path)
    monkeypatch.setattr(parquet_rows, "MOST_BYTES", 1 << 20)
    pq.write_table(pa.table({"id": ["a" * (1 << 23)]}), path, compression="zstd")
    with pytest.raises(ValueError, match="would unpack to"):
        read_table(path)


def test_an_image_of_gigabytes_is_refused() -> None:
    jpeg = bytearray(encode_frame(np.zeros((64, 64, 3), np.uint8), 90))
    sizes = jpeg.index(b"\xff\xc0") + 5
    jpeg[sizes : sizes + 4] = (60_000).to_bytes(2, "big") * 2
    with pytest.raises(ValueError, match="60000 x 60000 pixels"):
        decode_frame(bytes(jpeg))


def test_a_path_of_a_bundle_cannot_lead_elsewhere(tmp_path: Path) -> None:
    """The name of the network is the only word of config.json that chooses a file."""
    config = {"network": "../../etc/passwd", "classes": ["a"], "sha256": "0", "test_accuracy": 1}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(UserError, match=r"network is '\.\./\.\./etc/passwd'"):
        FeatureNetwork.load(tmp_path)
