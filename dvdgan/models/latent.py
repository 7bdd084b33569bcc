"""Where randomness comes from: seeds mixed from what they are for, latents by number."""

import hashlib

import torch
from torch import Tensor


def mixed_seed(*parts: int | str) -> int:
    """A 63-bit seed that depends on all parts and their order."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def numbered_latents(seed: int, first: int, count: int, dim: int) -> Tensor:
    """z ~ N(0, I) for videos first .. first+count-1 of ``seed``: (count, dim).

    Row i depends on seed and its own number alone, whatever the batch it is drawn in.
    """
    rows = []
    for number in range(first, first + count):
        generator = torch.Generator().manual_seed(mixed_seed(seed, "video", number))
        rows.append(torch.randn(dim, generator=generator))
    return torch.stack(rows)
