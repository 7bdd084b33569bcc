"""A checkpoint gives back every bit of a run's state, and holds no pickle."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tiny_run import CLIP, MODEL, TRAIN

from dvdgan.guard.run_folder import MANIFEST, RunFolder, latest_valid, verify_checkpoint
from dvdgan.storage.local import sha256_of_tree
from dvdgan.training.checkpoint import load_checkpoint, save_checkpoint
from dvdgan.training.sampling_rng import SamplingRNG
from dvdgan.training.state import TrainState, blank_state, initial_state
from dvdgan.training.train_step import TrainStep

CPU = torch.device("cpu")


def new_state() -> TrainState:
    return initial_state(CLIP, MODEL, TRAIN, 3, CPU)


def advance(state: TrainState, seed: int) -> dict[str, float]:
    """One round on made-up clips, a function of the state and the seed."""
    draws = SamplingRNG(seed, 4, torch.arange(3), CPU)
    train_step = TrainStep(CLIP, MODEL, TRAIN, state, state.generator, state.discriminators, draws)
    noise = torch.Generator().manual_seed(seed)

    def clips() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while True:
            shape = (4, CLIP.frames, 3, CLIP.resolution, CLIP.resolution)
            pixels = torch.randint(256, shape, generator=noise, dtype=torch.uint8)
            yield pixels, torch.tensor([0, 1, 2, 0])

    figures, _ = train_step.run(clips())
    return {name: value.item() for name, value in figures.items()}


@pytest.fixture
def advanced() -> TrainState:
    state = new_state()
    advance(state, 1)
    advance(state, 2)
    return state


def tensors(state: TrainState) -> dict[str, torch.Tensor]:
    found = {}
    for name in ("generator", "discriminators", "average"):
        for key, tensor in getattr(state, name).state_dict().items():
            found[f"{name} {key}"] = tensor.clone()
    for name in ("generator_optimizer", "discriminator_optimizer"):
        for number, values in getattr(state, name).state_dict()["state"].items():
            for key, tensor in values.items():
                found[f"{name} {number} {key}"] = tensor.clone()
    return found


def test_every_bit_comes_back_and_training_goes_on_the_same(
    advanced: TrainState, tmp_path: Path
) -> None:
    save_checkpoint(advanced, tmp_path / "checkpoint")
    resumed = blank_state(CLIP, MODEL, TRAIN, 3, CPU)
    load_checkpoint(resumed, tmp_path / "checkpoint")
    assert resumed.step == 2
    before, after = tensors(advanced), tensors(resumed)
    assert before.keys() == after.keys()
    assert any("exp_avg_sq" in key for key in after)
    for key, tensor in before.items():
        assert tensor.dtype == after[key].dtype
        assert torch.equal(tensor, after[key]), key
    assert advance(resumed, 3) == advance(advanced, 3)
    before, after = tensors(advanced), tensors(resumed)
    for key, tensor in before.items():
        assert torch.equal(tensor, after[key]), key


def test_a_fresh_state_round_trips_too(tmp_path: Path) -> None:
    save_checkpoint(new_state(), tmp_path / "checkpoint")
    resumed = new_state()
    load_checkpoint(resumed, tmp_path / "checkpoint")
    assert resumed.step == 0
    assert advance(resumed, 1) == advance(new_state(), 1)


def test_equal_states_give_equal_bytes(advanced: TrainState, tmp_path: Path) -> None:
    hashes = set()
    for name in ("a", "b"):
        save_checkpoint(advanced, tmp_path / name)
        hashes.add(sha256_of_tree(tmp_path / name, "*"))
    assert len(hashes) == 1


def test_a_checkpoint_is_plain_tensors_and_json(advanced: TrainState, tmp_path: Path) -> None:
    save_checkpoint(advanced, tmp_path / "checkpoint")
    files = sorted(path.name for path in (tmp_path / "checkpoint").iterdir())
    assert {Path(name).suffix for name in files} == {".safetensors", ".json"}
    assert len(files) == 7
    for path in (tmp_path / "checkpoint").iterdir():
        start = path.read_bytes()[:9]
        assert start[:1] == b"{" or start[8:9] == b"{"  # JSON, or a length and JSON


@pytest.mark.parametrize("name", ["generator.safetensors", "state.json", MANIFEST])
def test_damage_to_any_file_is_found(advanced: TrainState, tmp_path: Path, name: str) -> None:
    run = RunFolder(tmp_path)
    save_checkpoint(advanced, run.checkpoint(1))
    save_checkpoint(advanced, run.checkpoint(2))
    assert verify_checkpoint(run.checkpoint(2)) is None
    path = run.checkpoint(2) / name
    path.write_bytes(path.read_bytes()[:-3])
    step, (line,) = latest_valid(run)
    assert step == 1
    assert "step-00000002 is damaged" in line
    assert name in line


def test_a_save_that_fails_leaves_the_old_checkpoint(
    advanced: TrainState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "checkpoint"
    save_checkpoint(advanced, folder)
    before = sha256_of_tree(folder, "*")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("dvdgan.training.checkpoint.write_manifest", full)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(advanced, folder)
    assert sha256_of_tree(folder, "*") == before
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
