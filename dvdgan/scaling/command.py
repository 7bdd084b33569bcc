"""What `dvdgan scaling` does: reads params and the machine, predicts, writes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dvdgan.config.schema import RunSettings
from dvdgan.errors import UserError
from dvdgan.progress import track
from dvdgan.review.costs import networks_cost, number_of_classes, speed_of_run
from dvdgan.scaling import tables
from dvdgan.scaling.advice import limit
from dvdgan.scaling.equations import weight_bytes
from dvdgan.scaling.hardware import CARDS, GIGA, H100_MATMUL, TERA, Card, Cluster
from dvdgan.scaling.prediction import predict
from dvdgan.scaling.workload import Workload, read_workload
from dvdgan.storage.local import write_bytes
from dvdgan.storage.output import check_output_file

if TYPE_CHECKING:
    from dvdgan.training.state import Precision

SVG = b"<svg"


@dataclass(frozen=True)
class ClusterOptions:
    """The options of the command that describe GPUs and what is around them."""

    card: str = "h100"
    gpus_per_node: int = 8
    network_gbps: float = 3200
    rate: float | None = None
    """Tera multiply-adds a second of one GPU; None: that of the card."""
    run: Path | None = None
    """A run whose measured speed gives the rate."""
    loader_workers: int = 2
    from_store: bool = False
    node_mtbf_hours: float | None = None

    def cluster(self) -> Cluster:
        """The cluster; its card has the rates of data sheets and measurements."""
        found = Cluster(
            CARDS[self.card],
            self.gpus_per_node,
            self.network_gbps / 8 * GIGA,
            loader_workers=self.loader_workers,
            from_store=self.from_store,
        )
        if self.node_mtbf_hours is None:
            return found
        return replace(found, gpu_hours_between_failures=self.node_mtbf_hours * self.gpus_per_node)


@dataclass(frozen=True)
class PredictedFile:
    """A params file, the cluster it was predicted for, and a row for each number of GPUs."""

    workload: Workload
    cluster: Cluster
    rate_source: str
    rows: Sequence[tables.PredictionRow]


@dataclass(frozen=True)
class PredictedFiles:
    """The result of the command."""

    files: Sequence[PredictedFile]

    def text(self, price: float | None) -> str:
        """A table for each file; price: of a GPU hour."""
        return "\n\n".join(
            tables.terminal_page(each.workload, each.rows, each.cluster, each.rate_source, price)
            for each in self.files
        )

    def json(self, price: float | None) -> str:
        """A list with an object for each file and number of GPUs."""
        found = [row for each in self.files for row in tables.as_json(each.rows, price)]
        return json.dumps(found, indent=2)


def predict_files(
    files: Sequence[Path],
    gpus: Sequence[int],
    machine: ClusterOptions,
    precision: "Precision | None" = None,
) -> PredictedFiles:
    """Predict each of ``files`` for each number of ``gpus``.

    Raises UserError for params that `dvdgan check` refuses, and if the run has no speed.
    """
    if machine.rate is not None and machine.run is not None:
        raise UserError("--rate and --from both give the rate", todo="give one of them")
    found = []
    for path in files if len(files) == 1 else track(files, "params", len(files), "files"):
        workload = read_workload(path, precision=precision)
        cluster = machine.cluster()
        card, source = _card_with_rate(machine, cluster.card, workload.precision)
        cluster = replace(cluster, card=card)
        rows = [row_of(workload, cluster, each) for each in sorted(set(gpus))]
        found.append(PredictedFile(workload, cluster, source, rows))
    return PredictedFiles(found)


def row_of(workload: Workload, cluster: Cluster, gpus: int) -> tables.PredictionRow:
    """A prediction and what breaks first."""
    prediction = predict(workload, cluster, gpus)
    return prediction, limit(prediction, cluster, workload.accumulation)


def check_picture(path: Path, files: Sequence[Path]) -> None:
    """Raise UserError if `write_picture` would replace another file, or for several ``files``."""
    if len(files) > 1:
        raise UserError("--picture shows one params file", todo="give one FILE")
    check_output_file(path, lambda file: file.read_bytes().startswith(SVG))


def write_picture(path: Path, found: PredictedFiles) -> None:
    """Write the chart of the first file, at all powers of two between its numbers of GPUs.

    Raises UserError if it can run on none of these numbers.
    """
    from dvdgan.reporting.scaling_chart import scaling_chart

    each = found.files[0]
    given = [prediction.gpus for prediction, _ in each.rows]
    powers = {2**power for power in range(max(given).bit_length())}
    gpus = sorted({*given} | {power for power in powers if power > min(given)})
    predictions = [predict(each.workload, each.cluster, number) for number in gpus]
    predictions = [prediction for prediction in predictions if prediction.refused is None]
    if not predictions:
        raise UserError(
            f"{each.workload.name} can run on none of {', '.join(map(str, gpus))} GPUs",
            todo="choose other --gpus",
        )
    shares = {
        part: [prediction.shares[part] for prediction in predictions]
        for part in predictions[0].seconds
    }
    title = f"{each.workload.name}, {each.workload.precision}, {each.cluster.card.title}"
    drawing = scaling_chart(
        title,
        [prediction.gpus for prediction in predictions],
        [prediction.clips_per_second for prediction in predictions],
        shares,
    )
    write_bytes(path, drawing.encode())


def _card_with_rate(
    machine: ClusterOptions, card: Card, precision: "Precision"
) -> tuple[Card, str]:
    """The card with the rate that the options give, and where the rate is from."""
    rate = card.rates[precision]
    if machine.rate is not None:
        rate, source = machine.rate * TERA, f"{machine.rate:g} T multiply-adds/s, as given"
    elif machine.run is not None:
        rate, source = _rate_of_run(machine.run, card, precision)
    elif precision in card.measured:
        share = rate / H100_MATMUL
        source = (
            f"{rate / TERA:.0f} T multiply-adds/s, {share:.0%} of a matmul's, measured on one "
            f"{card.title} (docs/speed.md)"
        )
    else:
        source = (
            f"{rate / TERA:.3g} T multiply-adds/s, NOT MEASURED on an {card.title} in {precision}: "
            "estimated from its data sheet"
        )
    return replace(card, rates={**card.rates, precision: rate}), source


def _rate_of_run(root: Path, card: Card, precision: "Precision") -> tuple[float, str]:
    speed = speed_of_run(root, Path())
    if speed is None:
        raise UserError(
            "this run has no measured speed",
            where=str(root),
            todo="give the folder of a run in .runs/train that has trained more than three steps",
        )
    if speed.precision != precision:
        raise UserError(
            f"this run trains in {speed.precision}, the prediction is for {precision}",
            where=str(root),
            todo=f"give --precision {speed.precision}",
        )
    seconds = speed.device_clips * speed.clip_multiply_adds / speed.multiply_adds_per_second
    source = f"{speed.multiply_adds_per_second / TERA:.3g} T multiply-adds/s: {speed.source}"
    run = RunSettings.model_validate_json((root / "settings.json").read_text(encoding="utf-8"))
    cost = networks_cost(run.model, run.clip, number_of_classes(Path()))
    g, d = cost.generator.parameters, cost.parameters - cost.generator.parameters
    moved = weight_bytes(g, d, run.train.discriminator_steps, run.train.accumulation)
    weights = moved / card.weight_bandwidth
    own = max(seconds - weights, seconds / 2)
    return speed.device_clips * speed.clip_multiply_adds / own, source
