"""Which process extracts features: a command alone, or those that DVDGAN_LAUNCHER starts."""

from pathlib import Path

import pytest
import torch
from caching_process import NoiseClips

from dvdgan.errors import UserError
from dvdgan.evaluation import extraction
from dvdgan.evaluation.extraction import SHARE, Extraction
from dvdgan.evaluation.feature_cache import PART
from dvdgan.evaluation.networks.feature_network import FeatureNetwork, save_feature_network
from dvdgan.evaluation.networks.small_i3d import SmallI3D


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> FeatureNetwork:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("network")
    save_feature_network(path / "n", "small_i3d", SmallI3D(7, 4).eval(), list("abcdefg"), width=4)
    return FeatureNetwork.load(path / "n")


def under_launcher(patch: pytest.MonkeyPatch, rank: int, world: int) -> None:
    for name, value in (("RANK", rank), ("LOCAL_RANK", rank), ("WORLD_SIZE", world)):
        patch.setenv(name, str(value))


def test_a_command_that_a_launcher_started_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    under_launcher(monkeypatch, 1, 2)
    with pytest.raises(UserError, match="has started this command 2 times") as refused:
        Extraction(tmp_path, "evaluate")
    assert "DVDGAN_LAUNCHER=" in refused.value.todo


def test_shares_are_disjoint_cover_all_sets_and_leave_nobody_idle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, network: FeatureNetwork
) -> None:
    """Four sets, of 1, 1, 2 and 1 parts, on three processes: 2, 2 and 1 parts."""
    monkeypatch.setenv(SHARE, "1")
    counts = (20, 21, PART + 3, 22)
    read = []
    for rank in range(3):
        under_launcher(monkeypatch, rank, 3)
        work = Extraction(tmp_path, "evaluate", ["evaluate"])
        sources = [NoiseClips(count) for count in counts]
        caches = [work.add("noise", network, source) for source in sources]
        assert not work.run()
        read.append([len(source.read_indices) for source in sources])
    assert read == [[20, 0, 3, 0], [0, 21, 0, 22], [0, 0, PART, 0]]
    assert [cache.done for cache in caches] == list(counts)


def test_a_gpu_that_is_chosen_by_number_is_used_without_a_launcher(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, network: FeatureNetwork
) -> None:
    monkeypatch.setenv("DVDGAN_LAUNCHER", "false")
    for chosen, launched in (("cuda:1", False), ("cpu", True)):
        monkeypatch.setattr(extraction, "device", lambda chosen=chosen: chosen)
        work = Extraction(tmp_path / chosen, "evaluate", ["evaluate"])
        work.add("noise", network, NoiseClips(3))
        if launched:
            with pytest.raises(UserError, match=r"have failed \(exit code 1\)"):
                work.run()
        else:
            assert work.run()
