"""The terms of the prediction, each a function of numbers alone; docs/scaling.md explains them.

Seconds, bytes and bytes a second throughout; latencies are in seconds.
"""

from math import ceil, log2, sqrt

# Float32: parameters and their gradients, and the statistics of batch norm, in every precision.
FLOAT_BYTES = 4
# DistributedDataParallel reduces gradients in buckets of this size (bucket_cap_mb=25).
BUCKET_BYTES = 25 * 2**20
# How often a weight is read or written, in tensors of its size, counted from the code:
# two matrix-vector products of the power iteration, sigma, and W / sigma (read and written),
SPECTRAL_FORWARD = 5
# the gradient of W / sigma: read twice with W, written,
SPECTRAL_BACKWARD = 4
# torch's Adam, an operation at a time: lerp 3, mul 2, addcmul 3, sqrt 2, div 2, add 2, addcdiv 4,
ADAM = 18
# gradient norm 1, copy to the bucket and back 4, division by the number of processes 2,
GRADIENT = 7
# and the average of G.
AVERAGE = 3
# NCCL's own model of latency, protocol LL (NVIDIA/nccl, src/graph/tuning.cc), in seconds:
# the base of a tree and of a ring, a step over NVLink, and one over the network.
TREE_BASE, RING_BASE = 4.4e-6, 3.6e-6
TREE_NVLINK, RING_NVLINK = 0.52e-6, 0.47e-6
TREE_NETWORK, RING_NETWORK = 5.0e-6, 2.7e-6
# Its factor for steps inside a node when there are several.
SEVERAL_NODES = 1.8


def clips_seconds(clips: float, clip_multiply_adds: float, rate: float) -> float:
    """Work that is shared by the GPUs: t = clips x multiply-adds of a clip / rate.

    clips: of one GPU; clip_multiply_adds: of a whole train step; rate: multiply-adds a second.
    """
    return clips * clip_multiply_adds / rate


def weight_bytes(generator: int, discriminator: int, discriminator_steps: int, parts: int) -> int:
    """Bytes that a train step moves for the weights themselves, whatever the number of clips.

    With s updates of D, p parts of accumulation, S and B passes of spectral norm, A of Adam, N of
    the gradients and E of the average:
    4 P_D [s (p S + p B + A + N) + p S] + 4 P_G [(s + 1) p S + p B + A + N + E].
    All GPUs do all of it. generator, discriminator: parameters.
    """
    s, p = discriminator_steps, parts
    update = ADAM + GRADIENT
    of_d = s * (p * (SPECTRAL_FORWARD + SPECTRAL_BACKWARD) + update) + p * SPECTRAL_FORWARD
    of_g = (s + 1) * p * SPECTRAL_FORWARD + p * SPECTRAL_BACKWARD + update + AVERAGE
    return FLOAT_BYTES * (discriminator * of_d + generator * of_g)


def step_operations(generator: int, discriminator: int, discriminator_steps: int) -> int:
    """Operations that the processor launches in a step: s (G + 3 D) + 3 G + 3 D.

    generator, discriminator: of a forward. A backward pass launches twice as many.
    """
    g, d = generator, discriminator
    return discriminator_steps * (g + 3 * d) + 3 * g + 3 * d


def ring_all_reduce_seconds(size: float, gpus: int, bandwidth: float) -> float:
    """t = 2 (n - 1) / n x size / bandwidth: each GPU sends and receives so many bytes."""
    return 2 * (gpus - 1) / gpus * size / bandwidth


def all_gather_seconds(size: float, gpus: int, bandwidth: float) -> float:
    """t = (n - 1) x size / bandwidth; size: of what one GPU gives."""
    return (gpus - 1) * size / bandwidth


def tree_latency(gpus: int, nodes: int) -> float:
    """NCCL's latency of a small all-reduce: base + 2 [(n / m - 1) NVLink + log2(m) network].

    n GPUs on m nodes; 0 for one GPU.
    """
    if gpus == 1:
        return 0
    inside = TREE_NVLINK * (SEVERAL_NODES if nodes > 1 else 1)
    return TREE_BASE + 2 * ((gpus / nodes - 1) * inside + ceil(log2(nodes)) * TREE_NETWORK)


def ring_latency(gpus: int, nodes: int) -> float:
    """NCCL's latency of a small all-gather: base + (n - m) NVLink + (m - 1) network.

    n GPUs on m nodes; 0 for one GPU. There is no tree for it: it grows with n.
    """
    if gpus == 1:
        return 0
    inside = RING_NVLINK * (SEVERAL_NODES if nodes > 1 else 1)
    return RING_BASE + (gpus - nodes) * inside + (nodes - 1) * RING_NETWORK


def buckets(size: float) -> int:
    """Buckets of gradients: ceil(size / 25 MiB)."""
    return ceil(size / BUCKET_BYTES)


def exposed_seconds(communication: float, backward: float, overlap: float, parts: int) -> float:
    """The part of an exchange of gradients that the backward pass does not hide.

    max(t - overlap x backward, t / parts): at least the last of ``parts`` buckets, which begins
    when the backward pass ends.
    """
    return max(communication - overlap * backward, communication / parts)


def decode_seconds(pixels: float, per_pixel: float, per_clip: float) -> float:
    """Processor time to read one clip: t = pixels x per_pixel + per_clip."""
    return pixels * per_pixel + per_clip


def checkpoint_pause(size: float, copy_rate: float, write_rate: float, interval: float) -> float:
    """t = size / copy_rate + max(0, size / write_rate - interval).

    A checkpoint is copied to memory while training waits, then written in the background; the next
    one waits until that is done.
    """
    return size / copy_rate + max(0, size / write_rate - interval)


def young_interval(pause: float, between_failures: float) -> float:
    """Young (1974): sqrt(2 delta M) seconds of training between checkpoints."""
    return sqrt(2 * pause * between_failures)


def daly_interval(pause: float, between_failures: float) -> float:
    """Daly (2006), eq. 37: sqrt(2 delta M) [1 + x / 3 + x^2 / 9] - delta, x = sqrt(delta / 2 M).

    M where delta >= 2 M.
    """
    if pause >= 2 * between_failures:
        return between_failures
    x = sqrt(pause / (2 * between_failures))
    return sqrt(2 * pause * between_failures) * (1 + x / 3 + x * x / 9) - pause


def failure_share(lost: float, between_failures: float) -> float:
    """The share of the run's time that failures take: lost / M, at most 1.

    lost: half the interval between checkpoints, and the time to start again. Time T without
    failures becomes T / (1 - share).
    """
    return min(lost / between_failures, 1)
