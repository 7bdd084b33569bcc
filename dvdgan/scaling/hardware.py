"""What GPUs, nodes and networks do a second: measured here where it was, else from data sheets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dvdgan.training.state import Precision

TERA, GIGA = 1e12, 1e9

# Two measurements of presets/table1_12x64.yaml in bf16 on one H100 (docs/speed.md): 16 clips in
# 0.570 s, 32 clips in 1.0783 s. The difference is the time of 16 clips; what a step takes besides
# its clips is 61.7 ms, in which the weights move 127 GB.
H100_STEPS = ((16, 0.570), (32, 1.0783))
# In the same run, multiply-adds a second of a large matmul in bf16.
H100_MATMUL = 391 * TERA
# The share of the matmul rate that a train step in float32 reached on a CPU (docs/speed.md).
FLOAT32_SHARE = 0.65


@dataclass(frozen=True)
class Card:
    """One kind of GPU."""

    title: str
    rates: Mapping["Precision", float]
    """Multiply-adds a second of a train step, without the work on the weights."""
    weight_bandwidth: float
    """Bytes a second of that work (equations.weight_bytes)."""
    memory: float
    """Bytes."""
    link: float
    """Bytes a second to the other GPUs of its node, in each direction."""
    measured: frozenset[str]
    """Precisions whose rate was measured on this card."""
    source: str


def _like_h100(
    title: str, tensor: float, float32: float, bandwidth: float, memory: float, link: float
) -> Card:
    """A card of another data sheet that reaches the shares of its rates that an H100 reaches.

    tensor, float32: T operations a second, dense, of the data sheet; bandwidth: TB/s.
    """
    faster, wider = tensor / 989, bandwidth / 3.35
    rates: dict[Precision, float] = {
        "bf16": 134.8 * TERA * faster,
        "fp16": 134.8 * TERA * faster,
        "fp32": FLOAT32_SHARE * float32 / 2 * TERA,
    }
    source = f"NVIDIA's data sheet: {tensor:g} T dense bf16 and {float32:g} T fp32 operations/s, "
    source += f"{bandwidth:g} TB/s, NVLink {2 * link:g} GB/s in both directions"
    return Card(
        title,
        rates,
        2.06 * TERA * wider,
        memory * GIGA,
        link * GIGA,
        frozenset({"bf16"} if title == "H100" else ()),
        source,
    )


CARDS: dict[str, Card] = {
    "h100": _like_h100("H100", 989, 67, 3.35, 80, 450),
    "h200": _like_h100("H200", 989, 67, 4.8, 141, 450),
    "a100": _like_h100("A100", 312, 19.5, 2.0, 80, 300),
}


@dataclass(frozen=True)
class Cluster:
    """Everything around the GPUs; every value is an assumption or was measured elsewhere."""

    card: Card = field(default_factory=lambda: CARDS["h100"])
    gpus_per_node: int = 8
    network: float = 8 * 400 / 8 * GIGA
    """Bytes a second of a node: eight adapters of 400 Gbit/s, as in a DGX H100."""
    link_share: float = 0.8
    """Of the rates of NVLink and the network, what an all-reduce reaches (assumed)."""
    overlap: float = 0.5
    """Of a backward pass, the share behind which gradients are exchanged (assumed)."""
    operation: float = 36e-6
    """Seconds of the processor to launch an operation of torch (docs/speed.md: a step of the
    networks of moving_shapes, 5,851 operations, took 0.21 s on a machine with an H100)."""
    loader_workers: int = 2
    """Loader processes for each GPU, one core each; 0: clips are loaded in the trainer."""
    from_store: bool = False
    """Clips are read from an object store in every epoch, without a cache."""
    store: float = 2.5 * GIGA
    """Bytes a second of a node from the object store (assumed; S3 to one instance)."""
    store_requests: float = 5500
    """Requests a second to one prefix (S3's limit for GET)."""
    decode_per_pixel: float = 14.3e-9
    """Seconds of a core (docs/speed.md: 48 x 128 x 128 against 12 x 64 x 64 from the disk)."""
    decode_per_store_clip: float = 2.1e-3
    """More seconds of a core for a clip from a store (docs/speed.md)."""
    copy: float = 43 * GIGA
    """Bytes a second from a GPU to page-locked memory (docs/speed.md: 6.70 GB in 0.15 s)."""
    write: float = 0.26 * GIGA
    """Bytes a second of a checkpoint to disk (docs/speed.md: 6.73 GB in 26 s)."""
    preview: float = 1.2
    """Seconds of a sheet of samples and of singular values (docs/speed.md: 0.5 s and 0.67 s)."""
    features: float = 127
    """Clips a second through I3D, decoding included (docs/speed.md: one H100)."""
    evaluates_elsewhere: bool = False
    """Checkpoints are evaluated on another host (DVDGAN_EVALUATION_WORKER)."""
    gpu_hours_between_failures: float = 54 * 24 * 16384 / 419
    """Llama 3 (arXiv:2407.21783): 419 unexpected interruptions in 54 days on 16,384 H100s."""
    restart: float = 120 + 19
    """Seconds: a lost node is noticed (DVDGAN_NODE_TIMEOUT), trainers resume (docs/speed.md)."""

    def nodes(self, gpus: int) -> int:
        """Nodes that so many GPUs are in."""
        return -(-gpus // self.gpus_per_node)

    def bandwidth(self, gpus: int) -> float:
        """Bytes a second of an all-reduce: of the slowest link that its rings use."""
        several = self.nodes(gpus) > 1
        link = min(self.card.link, self.network) if several else self.card.link
        return self.link_share * link

    def between_failures(self, gpus: int) -> float:
        """Mean seconds between failures of any of so many GPUs or their nodes."""
        return self.gpu_hours_between_failures / gpus * 3600
