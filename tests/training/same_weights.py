"""Whether two trainers hold the same weights but for the order in which sums were rounded."""

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


def assert_same_weights(many: Tensors, one: Tensors, rank: int) -> None:
    """Weights, averaged weights, batch norm's statistics and power iterations, in float64, to 1e-9
    of each tensor's largest entry. ``rank``: of the process that held ``many``."""
    assert many.keys() == one.keys()
    for name, tensor in one.items():
        of_sheets = "running_" in name or name.endswith(("._u", "._v"))
        if name.startswith("average ") and of_sheets and rank > 0:
            continue  # of the sample sheets, which the first process alone makes
        if name.startswith("average ") and name.endswith("num_batches_tracked"):
            continue
        scale = tensor.abs().max().item() + 1e-12
        torch.testing.assert_close(many[name], tensor, rtol=0, atol=1e-9 * scale, msg=name)
