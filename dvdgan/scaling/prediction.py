"""Puts the terms together: how long a run takes on so many GPUs, and on what it spends the time."""

from collections.abc import Mapping
from dataclasses import dataclass

from dvdgan.scaling import equations
from dvdgan.scaling.hardware import Cluster
from dvdgan.scaling.workload import Workload, batch_norm_messages

# What the time of a run is spent on, in the order in which it is shown.
PARTS = (
    "clips",
    "weights",
    "launches",
    "gradients",
    "batch norm",
    "data",
    "checkpoints",
    "evaluations",
    "failures",
)


@dataclass(frozen=True)
class Prediction:
    """A run on so many GPUs. If it cannot run there, ``refused`` says why, and nothing else is."""

    workload: Workload
    """As it would run: its accumulation is raised if the clips of a GPU do not fit its memory."""
    gpus: int
    nodes: int
    refused: str | None
    seconds: Mapping[str, float]
    """Of the whole run, for each of PARTS."""
    step: float
    """Seconds of a train step, without pauses."""
    checkpoint_pause: float
    between_failures: float
    advised_checkpoint_every: int

    @property
    def hours(self) -> float:
        """Wall-clock time of the run."""
        return sum(self.seconds.values()) / 3600

    @property
    def gpu_hours(self) -> float:
        """Of all GPUs."""
        return self.gpus * self.hours

    @property
    def clips_per_second(self) -> float:
        """Clips of the batch, over the whole run, everything included."""
        return self.workload.steps * self.workload.batch / (self.hours * 3600)

    @property
    def shares(self) -> dict[str, float]:
        """Of the time of the run, for each of PARTS; they add up to 1."""
        whole = sum(self.seconds.values())
        return {part: seconds / whole for part, seconds in self.seconds.items()}

    @property
    def clips_per_gpu(self) -> int:
        """Of a step."""
        return self.workload.batch // self.gpus


def predict(workload: Workload, cluster: Cluster, gpus: int) -> Prediction:
    """The run ``workload`` on ``gpus`` GPUs of ``cluster``."""
    parts = workload.fits(gpus, cluster.card.memory)
    if parts is None:
        return _refused(workload, cluster, gpus)
    workload = workload.accumulated(parts)
    steps = workload.steps
    of_step = step_seconds(workload, cluster, gpus)
    step = sum(of_step.values())
    pause = equations.checkpoint_pause(
        workload.cost.checkpoint_bytes,
        cluster.copy,
        cluster.write,
        workload.checkpoint_every * step,
    )
    seconds = {part: steps * each for part, each in of_step.items()}
    seconds["checkpoints"] = (
        steps // workload.checkpoint_every * pause
        + steps // workload.preview_every * cluster.preview
    )
    seconds["evaluations"] = evaluation_seconds(workload, cluster)
    between = cluster.between_failures(gpus)
    lost = workload.checkpoint_every * step / 2 + cluster.restart
    share = equations.failure_share(lost, between)
    if share == 1:
        return _refused(
            workload, cluster, gpus, "each failure costs more than the time between two"
        )
    seconds["failures"] = sum(seconds.values()) * share / (1 - share)
    return Prediction(
        workload,
        gpus,
        cluster.nodes(gpus),
        None,
        {part: seconds[part] for part in PARTS},
        step,
        pause,
        between,
        advised_checkpoint_every(workload, step, pause, between),
    )


def step_seconds(workload: Workload, cluster: Cluster, gpus: int) -> dict[str, float]:
    """A train step: what is computed, exchanged, and waited for, one after another."""
    clips = workload.batch / gpus
    rate = cluster.card.rates[workload.precision]
    found = {
        "clips": equations.clips_seconds(clips, workload.clip_multiply_adds, rate),
        "weights": workload.weight_bytes / cluster.card.weight_bandwidth,
    }
    found["launches"] = max(0, workload.operations * cluster.operation - sum(found.values()))
    computing = found["clips"] + found["launches"]
    found |= {
        "gradients": gradient_seconds(workload, cluster, gpus, computing),
        "batch norm": batch_norm_seconds(workload, cluster, gpus),
    }
    reading, training = data_seconds(workload, cluster, gpus), sum(found.values())
    waits = reading if cluster.loader_workers == 0 else max(0, reading - training)
    return found | {"data": waits}


def gradient_seconds(workload: Workload, cluster: Cluster, gpus: int, computing: float) -> float:
    """What the exchanges of gradients add to a step: one for each update of D, and G's.

    Overlapped with the backward passes in which these gradients are made: of D on real and
    generated clips, four of its forwards; of G, two. They take their share of the multiply-adds of
    the ``computing`` seconds of a step; of an accumulation only that of the last part counts.
    """
    if gpus == 1:
        return 0
    cost, bandwidth = workload.cost, cluster.bandwidth(gpus)
    latency = equations.tree_latency(gpus, cluster.nodes(gpus))
    per_multiply_add = computing / workload.accumulation / workload.clip_multiply_adds

    def of_update(size: int, backward: int) -> float:
        count = equations.buckets(size)
        return equations.exposed_seconds(
            equations.ring_all_reduce_seconds(size, gpus, bandwidth) + count * latency,
            backward * per_multiply_add,
            cluster.overlap,
            count,
        )

    of_d = of_update(workload.discriminator_gradients, 4 * cost.discriminator_multiply_adds)
    of_g = of_update(workload.generator_gradients, 2 * cost.generator.multiply_adds)
    return workload.discriminator_steps * of_d + of_g


def batch_norm_seconds(workload: Workload, cluster: Cluster, gpus: int) -> float:
    """What batch norm over all GPUs adds to a step; the next layer waits for each message."""
    if gpus == 1:
        return 0
    nodes, bandwidth = cluster.nodes(gpus), cluster.bandwidth(gpus)
    forward, backward = batch_norm_messages(
        workload.batch_norms, workload.discriminator_steps, workload.accumulation, "cuda"
    )
    gather, reduce = equations.ring_latency(gpus, nodes), equations.tree_latency(gpus, nodes)
    return sum(
        gather + equations.all_gather_seconds(size, gpus, bandwidth) for size in forward
    ) + sum(reduce + equations.ring_all_reduce_seconds(size, gpus, bandwidth) for size in backward)


def data_seconds(workload: Workload, cluster: Cluster, gpus: int) -> float:
    """Time to read and decode the clips of a step, which loader processes do during training.

    The longest of decoding on all cores, and from a store also of its bytes and its requests, two
    for each clip.
    """
    of_clip = equations.decode_seconds(
        workload.clip_pixels,
        cluster.decode_per_pixel,
        cluster.decode_per_store_clip if cluster.from_store else 0,
    )
    cores = gpus * max(1, cluster.loader_workers)
    found = [workload.real_clips * of_clip / cores]
    if cluster.from_store:
        found.append(
            workload.real_clips * workload.clip_bytes / (cluster.store * cluster.nodes(gpus))
        )
        found.append(workload.real_clips * 2 / cluster.store_requests)
    return max(found)


def evaluation_seconds(workload: Workload, cluster: Cluster) -> float:
    """All evaluations of a run, during which the other GPUs wait for the one that they share.

    G generates the clips of standing statistics and those that are measured; I3D reads the latter.
    """
    if cluster.evaluates_elsewhere:
        return 0
    generated = workload.evaluation_samples + workload.standing_clips
    rate = cluster.card.rates[workload.precision]
    sampling = equations.clips_seconds(generated, workload.cost.generator.multiply_adds, rate)
    return workload.evaluations * (sampling + workload.evaluation_samples / cluster.features)


def advised_checkpoint_every(
    workload: Workload, step: float, pause: float, between_failures: float
) -> int:
    """Steps between checkpoints by Daly, as a divisor of train.guard.evaluate_every."""
    best = equations.daly_interval(pause, between_failures) / step
    divisors = [
        each
        for each in range(1, workload.evaluate_every + 1)
        if workload.evaluate_every % each == 0
    ]
    return min(divisors, key=lambda each: abs(each - best))


def _refused(
    workload: Workload, cluster: Cluster, gpus: int, reason: str | None = None
) -> Prediction:
    """A prediction that says only why there is none."""
    if reason is None and workload.batch % (gpus * workload.accumulation):
        reason = f"the batch of {workload.batch} clips cannot be divided among {gpus} GPUs"
        if workload.accumulation > 1:
            reason += f" in {workload.accumulation} parts each"
    if reason is None:
        reason = f"one clip needs more than the memory of an {cluster.card.title}"
    return Prediction(workload, gpus, cluster.nodes(gpus), reason, {}, 0, 0, 0, 0)
