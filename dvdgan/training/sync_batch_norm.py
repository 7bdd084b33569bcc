"""Batch norm over the clips of all processes, where torch has none: on CPUs (paper A.3: data
parallel; read as BigGAN's cross-replica norm)."""

from typing import Any

import torch
from torch import Tensor, distributed, nn


class CpuSyncBatchNorm(nn.BatchNorm2d):
    """nn.BatchNorm2d whose training statistics are those of all processes' batches together.

    x: (B, C, H, W), of one shape on every process. Same state dict, same values as one process
    gives for the joined batch, gradients included; nn.SyncBatchNorm is the same on GPUs.
    """

    @classmethod
    def convert(cls, network: nn.Module) -> nn.Module:
        """Replace every nn.BatchNorm2d below ``network`` in place; buffers are kept."""
        for name, child in network.named_children():
            if isinstance(child, nn.BatchNorm2d):
                assert not child.affine
                synchronised = cls(child.num_features, child.eps, child.momentum, affine=False)
                synchronised.load_state_dict(child.state_dict())
                setattr(network, name, synchronised.train(child.training))
            else:
                cls.convert(child)
        return network

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        full = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        count = x.numel() // x.shape[1] * distributed.get_world_size()
        shape = (1, -1, 1, 1)
        mean = _sum_over_processes(full.sum(dim=(0, 2, 3))) / count
        centred = full - mean.view(shape)
        variance = _sum_over_processes(centred.square().sum(dim=(0, 2, 3))) / count
        self._note(mean.detach(), variance.detach() * (count / (count - 1)))
        scale = torch.rsqrt(variance + self.eps).view(shape)
        return (centred * scale).to(x.dtype)

    @torch.no_grad()
    def _note(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


class _SumOverProcesses(torch.autograd.Function):
    """y = sum over processes of x; every process's loss hangs on every process's x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total


def _sum_over_processes(x: Tensor) -> Tensor:
    total: Tensor = _SumOverProcesses.apply(x)  # type: ignore[no-untyped-call]
    return total
