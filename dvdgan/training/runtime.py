"""Processes and devices, by accelerate."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from accelerate import Accelerator
from accelerate.utils import (
    DistributedDataParallelKwargs,
    GradientAccumulationPlugin,
    broadcast,
    broadcast_object_list,
)
from torch import Tensor, nn

from dvdgan.training.sync_batch_norm import CpuSyncBatchNorm

Value = TypeVar("Value")


@dataclass(frozen=True)
class Runtime:
    """One process of the job: its rank and device, and its collective operations."""

    accelerator: Accelerator

    @classmethod
    def start(cls) -> "Runtime":
        """Join the job the launcher describes (one process without a launcher)."""
        # D's two phases would be broken by buffers broadcast before each forward; every rank runs
        # the same power iterations from the same vectors, so buffers agree without it.
        # Not gradient_as_bucket_view: with Gloo, trainers then waited for ever as they ended.
        settings = DistributedDataParallelKwargs(broadcast_buffers=False)
        torch.use_deterministic_algorithms(True, warn_only=True)
        # This would fill all new memory with NaN, so that a read of it shows: 1 to 3% of a step.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        # Whatever TORCH_ALLOW_TF32_CUBLAS_OVERRIDE says, which NVIDIA's containers set.
        torch.set_float32_matmul_precision("highest")
        accelerator = Accelerator(
            cpu=not torch.cuda.is_available(),
            kwargs_handlers=[settings],
            # Ours are train.precision and train.accumulation; what is not given is read from the
            # environment (guard/numeric_environment.py refuses the rest).
            mixed_precision="no",
            dynamo_backend="no",
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        )
        return cls(accelerator)

    @property
    def rank(self) -> int:
        return int(self.accelerator.process_index)

    @property
    def world_size(self) -> int:
        return int(self.accelerator.num_processes)

    @property
    def device(self) -> torch.device:
        return cast(torch.device, self.accelerator.device)

    @property
    def is_main(self) -> bool:
        return bool(self.accelerator.is_main_process)

    def conditions(self) -> dict[str, int | str]:
        """What changes the rounding of sums, so that a resumed run is not bitwise equal."""
        return {
            "processes": self.world_size,
            "threads": torch.get_num_threads(),
            "device": self.device.type,
            "torch": torch.__version__,
        }

    def wrap(self, network: nn.Module) -> nn.Module:
        """``network`` with gradients averaged over processes (the same object for one process)."""
        return cast(nn.Module, self.accelerator.prepare_model(network))

    def synchronise_batch_norm(self, network: nn.Module) -> nn.Module:
        """Batch statistics over all processes."""
        if self.world_size == 1:
            return network
        if self.device.type == "cpu":
            return CpuSyncBatchNorm.convert(network)
        return cast(nn.Module, nn.SyncBatchNorm.convert_sync_batchnorm(network))

    def mean(self, values: Tensor) -> Tensor:
        """The mean over processes of each of some numbers."""
        return cast(Tensor, self.accelerator.reduce(values, reduction="mean"))

    def any(self, *flags: bool) -> list[bool]:
        """Each flag: whether it is true on some process."""
        votes = torch.tensor(flags, dtype=torch.float32, device=self.device)
        return [vote > 0 for vote in self.mean(votes).tolist()]

    def from_main(self, read: Callable[[], Value]) -> Value:
        """What ``read`` returns on the main process, on every process.

        The others do not call it: they may be on hosts without the run folder.
        """
        values = [read() if self.is_main else None]
        broadcast_object_list(values)
        return cast(Value, values[0])

    def broadcast_tensors(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the main process's values of ``tensors``, in place."""
        if self.world_size == 1:
            return
        for tensor in tensors:
            tensor.copy_(broadcast(tensor.detach().to(self.device).contiguous()))
