"""Features of several sets of clips by one network, extracted by all processes of a launcher."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from dvdgan.evaluation.device import device
from dvdgan.evaluation.feature_cache import ClipReader, FeatureCache, remove_caches
from dvdgan.evaluation.features import ClipFeatures
from dvdgan.evaluation.networks.feature_network import FeatureNetwork


@dataclass(frozen=True)
class Process:
    """Rank, world size and device of this process under a launcher (torchrun, accelerate)."""

    rank: int
    world: int
    device: str

    @classmethod
    def current(cls) -> "Process":
        """From RANK, WORLD_SIZE and LOCAL_RANK, which torch's launchers set."""
        rank, world, local = (
            int(os.environ.get(name, alone))
            for name, alone in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
        )
        where = device()
        if where == "cuda":
            where = f"cuda:{local % torch.cuda.device_count()}"
        return cls(rank, world, where)

    @property
    def is_main(self) -> bool:
        return self.rank == 0


class Extraction:
    """Extracts features by ``network``, cached below ``root`` until `end`."""

    def __init__(self, network: FeatureNetwork, root: Path, process: Process, label: str) -> None:
        self.network, self._root, self._process, self._label = network, root, process, label
        self._caches: list[FeatureCache] = []

    def features(self, sets: Mapping[str, ClipReader]) -> dict[str, ClipFeatures]:
        """Features of all clips of each of ``sets``, by its name on the progress line.

        Every process calls it for the same sets; the result is empty in all but the main process.
        Raises UserError for a clip that cannot be read.
        """
        features = {}
        for name, clips in sets.items():
            cache = FeatureCache(self.network, clips, self._root)
            self._caches.append(cache)
            label = f"{self._label}: {name}"
            cache.extract(label, self._process.rank, self._process.world)
            if self._process.is_main:
                features[name] = cache.complete(label)[0]
        return features

    def end(self) -> None:
        """Delete the cache in the main process, once its results are saved and the others left."""
        remove_caches(self._caches, self._process.rank, self._process.world)
