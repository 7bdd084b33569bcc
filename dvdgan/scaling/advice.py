"""What breaks first when a run gets more GPUs, and the change that would move it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from dvdgan.reporting.costs import memory
from dvdgan.scaling import equations
from dvdgan.scaling.hardware import Cluster
from dvdgan.scaling.prediction import Prediction, predict
from dvdgan.scaling.workload import batch_norm_messages

# Below this share of the time, nothing but the clips themselves limits a run.
SMALL = 0.05
# Clips of a GPU in a step at which the rate of an H100 was measured; below, it is extrapolated.
MEASURED_CLIPS = 16


@dataclass(frozen=True)
class Limit:
    """The first thing that keeps a run from being faster."""

    part: str
    """One of PARTS, "memory" if the params do not fit as they are, or why they cannot run."""
    change: str
    """What would move it, in one sentence."""


def limit(prediction: Prediction, cluster: Cluster, accumulation: int) -> Limit:
    """What breaks first; accumulation: of the params, which the prediction may have raised."""
    if prediction.refused is not None:
        return Limit(prediction.refused, _refused(prediction))
    shares = {part: share for part, share in prediction.shares.items() if part != "clips"}
    part = max(shares, key=lambda each: shares[each])
    if shares[part] < SMALL:
        return _memory_or_clips(prediction, accumulation)
    return Limit(part, CHANGES[part](prediction, cluster))


def _memory_or_clips(prediction: Prediction, accumulation: int) -> Limit:
    parts = prediction.workload.accumulation
    if parts > accumulation:
        clips = prediction.clips_per_gpu
        needed = memory(prediction.workload.cost.train_memory(clips // accumulation))
        return Limit(
            "memory",
            f"{clips} clips a GPU need {needed} in float32: set train.accumulation to {parts}, or "
            "use more GPUs.",
        )
    change = "More GPUs, or faster ones"
    if prediction.workload.precision == "fp32":
        change += ", or train.precision bf16"
    return Limit("clips", f"{change}: nothing else takes {SMALL:.0%} of the time.")


def _refused(prediction: Prediction) -> str:
    assert prediction.refused is not None
    workload = prediction.workload
    if workload.batch % (prediction.gpus * workload.accumulation):
        return (
            f"Use a number of GPUs that divides train.batch_size = {workload.batch}, at most "
            f"{workload.batch // workload.accumulation}."
        )
    if "memory" not in prediction.refused:
        return "Save more often: lower train.checkpoint_every."
    return "Use GPUs with more memory, or smaller networks."


def _weights(prediction: Prediction, _: Cluster) -> str:
    return (
        f"Each GPU updates all weights for {_clips(prediction)}: use fewer GPUs, a larger "
        "train.batch_size, or optimizer states shared among GPUs (not implemented)."
    )


def _launches(prediction: Prediction, cluster: Cluster) -> str:
    floor = prediction.workload.operations * cluster.operation
    return (
        f"The processor launches a step's operations in {floor:.2f} s: use fewer GPUs, a larger "
        "train.batch_size, or CUDA graphs (not implemented)."
    )


def _gradients(prediction: Prediction, cluster: Cluster) -> str:
    several = prediction.nodes > 1 and cluster.network < cluster.card.link
    what = "a faster network between nodes" if several else "fewer GPUs"
    size = memory(
        prediction.workload.discriminator_steps * prediction.workload.discriminator_gradients
        + prediction.workload.generator_gradients
    )
    return f"{size} of gradients a step: use {what}, or reduce them in bf16 (not implemented)."


def _batch_norm(prediction: Prediction, cluster: Cluster) -> str:
    workload, gpus = prediction.workload, prediction.gpus
    forward, _ = batch_norm_messages(
        workload.batch_norms, workload.discriminator_steps, workload.accumulation, "cuda"
    )
    nodes = cluster.nodes(gpus)
    gather, tree = equations.ring_latency(gpus, nodes), equations.tree_latency(gpus, nodes)
    return (
        f"{len(forward)} all-gathers a step pass all GPUs in turn, {gather * 1e6:.0f} us each: sum "
        f"statistics with an all-reduce ({tree * 1e6:.0f} us; on GPUs not implemented), or use "
        "fewer GPUs."
    )


def _data(prediction: Prediction, cluster: Cluster) -> str:
    if cluster.from_store:
        return "Keep shards on each node's disk: set DVDGAN_SHARD_CACHE."
    return f"Set DVDGAN_LOADER_WORKERS to {2 * max(1, cluster.loader_workers)}."


def _checkpoints(prediction: Prediction, _: Cluster) -> str:
    return (
        f"Raise train.checkpoint_every (now {prediction.workload.checkpoint_every}) and "
        f"train.preview_every (now {prediction.workload.preview_every})."
    )


def _evaluations(prediction: Prediction, cluster: Cluster) -> str:
    elsewhere = predict(
        prediction.workload, replace(cluster, evaluates_elsewhere=True), prediction.gpus
    )
    return (
        f"Evaluate on another host (DVDGAN_EVALUATION_WORKER=1): {elsewhere.hours:,.1f} h instead "
        f"of {prediction.hours:,.1f} h."
    )


def _failures(prediction: Prediction, _: Cluster) -> str:
    return (
        f"Set train.checkpoint_every to {prediction.advised_checkpoint_every} instead of "
        f"{prediction.workload.checkpoint_every}."
    )


def _clips(prediction: Prediction) -> str:
    count = prediction.clips_per_gpu
    return "1 clip" if count == 1 else f"{count} clips"


CHANGES: dict[str, Callable[[Prediction, Cluster], str]] = {
    "weights": _weights,
    "launches": _launches,
    "gradients": _gradients,
    "batch norm": _batch_norm,
    "data": _data,
    "checkpoints": _checkpoints,
    "evaluations": _evaluations,
    "failures": _failures,
}
