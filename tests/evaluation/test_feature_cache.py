"""The feature cache: equal bits for any number of processes, restarts, damage, refusals."""

import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from caching_process import NoiseClips

from dvdgan.errors import UserError
from dvdgan.evaluation.feature_cache import PART, FeatureCache
from dvdgan.evaluation.features import ClipFeatures, extract
from dvdgan.evaluation.networks.feature_network import FeatureNetwork, save_feature_network
from dvdgan.evaluation.networks.small_i3d import SmallI3D

COUNT = 2 * PART + 37


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("features") / "network"
    save_feature_network(path, "small_i3d", SmallI3D(7, 4).eval(), list("abcdefg"), width=4)
    return path


@pytest.fixture(scope="module")
def network(folder):
    return FeatureNetwork.load(folder)


@pytest.fixture(scope="module")
def expected(network):
    """The features of all clips by `extract`, without parts."""
    clips, labels, _ = NoiseClips(COUNT).read(0, COUNT)
    return extract(network, [(clips, labels)], COUNT, "whole")


def same(found, expected):
    return all(
        torch.equal(getattr(found, field.name), getattr(expected, field.name))
        for field in fields(ClipFeatures)
    )


def finished(network, root):
    """The features as another process then completes them, and the places it had to read."""
    source = NoiseClips(COUNT)
    cache = FeatureCache(network, source, root)
    cache.extract("noise")
    assert cache.refusals == []
    return cache.complete(), source.read_indices


@pytest.fixture(scope="module")
def shared_caches(tmp_path_factory, folder):
    """Caches that processes have shared, and their exit codes, by the number of processes.

    The last of two and the only one of one are killed.
    """
    root = tmp_path_factory.mktemp("shared")
    dies_at = {3: "", 2: PART + 100, 1: 2 * PART + 30}
    words = [str(folder), str(COUNT), *(f"{root / str(n)}:{n}:{at}" for n, at in dies_at.items())]
    script = Path(__file__).with_name("caching_process.py")
    done = subprocess.run(
        [sys.executable, str(script), *words], capture_output=True, text=True, timeout=120
    )
    codes = [[int(code) for code in line.split()] for line in done.stdout.splitlines()]
    return {n: (root / str(n), ended) for n, ended in zip(dies_at, codes, strict=True)}


def test_one_process_gives_what_extract_gives(tmp_path, network, expected):
    cache = FeatureCache(network, NoiseClips(COUNT), tmp_path)
    cache.extract("noise")
    assert same(cache.complete(), expected)
    assert same(ClipFeatures.join(list(cache.parts())), expected)


def test_several_processes_give_the_same_bits(shared_caches, network, expected):
    root, codes = shared_caches[3]
    assert codes == [0] * 3
    features, asked = finished(network, root)
    assert asked == []  # nothing was left to do
    assert same(features, expected)


def test_another_process_takes_over_what_a_dead_one_left(shared_caches, network, expected):
    root, codes = shared_caches[2]
    assert codes == [0, -signal.SIGKILL]
    features, read_indices = finished(network, root)
    assert sorted(read_indices) == list(range(PART, 2 * PART))
    assert same(features, expected)


def test_a_killed_process_loses_one_part_at_most(shared_caches, network, expected):
    root, codes = shared_caches[1]
    assert codes == [-signal.SIGKILL]
    source = NoiseClips(COUNT)
    cache = FeatureCache(network, source, root)
    cache.extract("again")
    assert source.read_indices == list(range(2 * PART, COUNT))
    assert same(cache.complete(), expected)


def test_a_damaged_part_is_found_and_made_again(tmp_path, network, expected, capsys):
    FeatureCache(network, NoiseClips(COUNT), tmp_path).extract("once")
    [folder] = tmp_path.iterdir()
    first, second, _ = sorted(folder.glob("part-*"))
    content = bytearray(first.read_bytes())
    content[-5] ^= 1  # a wrong number
    first.write_bytes(content)
    second.write_bytes(second.read_bytes()[:1000])  # a cut file
    source = NoiseClips(COUNT)
    cache = FeatureCache(network, source, tmp_path)
    cache.extract("again")
    assert source.read_indices == list(range(2 * PART))
    assert same(cache.complete(), expected)
    assert capsys.readouterr().err.count("is damaged and is extracted again") == 2


def test_another_network_or_source_is_another_cache(tmp_path, network):
    torch.manual_seed(1)
    save_feature_network(tmp_path / "n", "small_i3d", SmallI3D(7, 4), list("abcdefg"), width=4)
    other = FeatureNetwork.load(tmp_path / "n")
    folders = {
        FeatureCache(network, NoiseClips(3), tmp_path / "c").folder,
        FeatureCache(other, NoiseClips(3), tmp_path / "c").folder,
        FeatureCache(network, NoiseClips(4), tmp_path / "c").folder,
        FeatureCache(
            FeatureNetwork.load(tmp_path / "n", resize="bilinear"), NoiseClips(3), tmp_path / "c"
        ).folder,
    }
    assert len(folders) == 4
    assert FeatureCache(network, NoiseClips(3), tmp_path / "c").folder in folders


def test_refusals_are_kept_and_limited(tmp_path, network):
    source = NoiseClips(PART + 4, refusing=100)  # 0, 100, 200 in the first part
    cache = FeatureCache(network, source, tmp_path, most_refused=3)
    cache.extract("noise")
    again = FeatureCache(network, source, tmp_path, 3)
    again.extract("noise")
    features = again.complete()
    assert len(features) == PART + 1
    assert again.refusals == ["0: broken", "100: broken", "200: broken"]
    assert features.labels.tolist() == [n % 7 for n in range(PART + 4) if n % 100]
    # Another budget finds the same parts, and judges them anew.
    with pytest.raises(UserError, match=r"3 of 260 videos .* 2 may be left out") as caught:
        FeatureCache(network, source, tmp_path, 2).extract("noise")
    assert "200: broken" in caught.value.where
    stopped = NoiseClips(PART + 4, refusing=2)
    with pytest.raises(UserError, match="8 of 260"):
        FeatureCache(network, stopped, tmp_path / "other", 3).extract("noise")
    assert len(stopped.read_indices) <= 32  # it read no further


def test_parts_without_clips_are_parts_and_no_clips_at_all_an_error(tmp_path, network):
    nothing = NoiseClips(20, refusing=1)
    cache = FeatureCache(network, nothing, tmp_path, 20)
    cache.extract("noise")
    with pytest.raises(UserError, match="no clip to measure"):
        cache.complete()


def test_a_part_that_another_makes_meanwhile_leaves_no_rows_in_the_next(
    tmp_path, network, expected
):
    """Two runs of one command at once: the second makes part 0 while the first is within it."""
    first = FeatureCache(network, NoiseClips(COUNT), tmp_path)
    second = FeatureCache(network, NoiseClips(COUNT), tmp_path)

    class Overtaken(NoiseClips):
        def read(self, start, stop):
            if start == PART // 2:
                second.extract_parts([0])
            return super().read(start, stop)

    first.source = Overtaken(COUNT)
    first.extract("noise")
    assert same(first.complete(), expected)
