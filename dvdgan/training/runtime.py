"""Processes and devices: the one door to accelerate."""

from dataclasses import dataclass
from typing import cast

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor, nn


@dataclass(frozen=True)
class Runtime:
    """What one process knows of the job: its rank, its device, how to wrap and to agree."""

    accelerator: Accelerator

    @classmethod
    def start(cls) -> "Runtime":
        """Join the job the launcher describes (one process without a launcher)."""
        # D's two phases would be broken by buffers broadcast before each forward; every rank runs
        # the same power iterations from the same vectors, so buffers agree without it.
        no_broadcast = DistributedDataParallelKwargs(broadcast_buffers=False)
        torch.use_deterministic_algorithms(True, warn_only=True)
        return cls(Accelerator(cpu=not torch.cuda.is_available(), kwargs_handlers=[no_broadcast]))

    @property
    def rank(self) -> int:
        return int(self.accelerator.process_index)

    @property
    def world(self) -> int:
        return int(self.accelerator.num_processes)

    @property
    def device(self) -> torch.device:
        return cast(torch.device, self.accelerator.device)

    @property
    def is_main(self) -> bool:
        return bool(self.accelerator.is_main_process)

    def wrap(self, network: nn.Module) -> nn.Module:
        """``network`` with gradients averaged over processes (the same object for one process)."""
        return cast(nn.Module, self.accelerator.prepare_model(network))

    def synchronise_batch_norm(self, network: nn.Module) -> nn.Module:
        """Batch statistics over all processes, where there are several GPUs."""
        if self.world > 1 and self.device.type == "cuda":
            return cast(nn.Module, nn.SyncBatchNorm.convert_sync_batchnorm(network))
        return network

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a scalar over processes."""
        return cast(Tensor, self.accelerator.reduce(value, reduction="mean"))

    def any(self, flag: bool) -> bool:
        """True on every process as soon as it is on one."""
        if self.world == 1:
            return flag
        votes = self.accelerator.reduce(torch.tensor(int(flag), device=self.device))
        return bool(cast(Tensor, votes).item() > 0)

    def wait(self) -> None:
        """Until every process is here."""
        self.accelerator.wait_for_everyone()
