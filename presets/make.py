"""The presets of the paper and of other data sources; `python presets/make.py` writes them.

Each preset is a complete params file: the values of table1_12x64.yaml or small_folder.yaml with
some changes. To change shared values, edit that file and run this script. To change one preset or a
comment, edit PRESETS and run this script. Other presets are written by hand; the script only
formats them and params.yaml in DVC's style.
"""

import io
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FOLDER = Path(__file__).resolve().parent
WIDTH = 100

Value = int | float | str | list[Any] | None
Changes = Mapping[str, Value]

# The base. Its body is written by hand; values that are not the paper's are sizes of the pipeline.
BASE = "table1_12x64"
# The base of those for data of one's own, written by hand.
SMALL = "small_folder"

DATA = {
    "data/kinetics600": "Kinetics-600, its authors' CSVs in data/kinetics600 and the clips of all "
    "splits below it.",
    "data/ucf101": "UCF-101 as data/ucf101/UCF-101/<class>/<video>, and the authors' lists in "
    "data/ucf101/ucfTrainTestlist; the first pair of lists defines the splits.",
    "data/bair": "BAIR robot pushing as published: bair_robot_pushing_dataset_v0.tar, unpacked in "
    "data/bair. It has one class. If you do not have the weights of prediction_fvd, set "
    "features.protocols to [self_supervised].",
}
HARDWARE = (
    "Designed for the paper's 32 to 512 TPUv3 replicas and 12 to 96 hours, not for a laptop. "
    "Show its cost with: dvdgan model --params presets/{name}.yaml"
)
PRECISION = (
    "train.precision is fp32, the default, because the paper does not state a precision. The speed "
    "in docs/speed.md was measured in bf16; fp32 is slower and was not measured."
)
SOURCES_PAGE = "docs/sources.md describes the layout of the data, docs/params.md every key."
PAGE = (
    "docs/presets.md explains how to get the data and how comparable the metrics are with the "
    "paper's."
)


@dataclass(frozen=True)
class Preset:
    """One experiment of the paper."""

    row: str
    """Its place in the paper, and a description."""
    numbers: str
    """The paper's results."""
    base: str | None = None
    """The preset it changes; None: it is the base."""
    changes: Changes = field(default_factory=dict)
    """Dotted key: its value here."""


def pixels(resolution: int) -> dict[str, Value]:
    """The keys that go with the resolution (paper A.1, A.2)."""
    keys = ("clip.resolution", "index.min_short_side", "shard.short_side")
    return dict.fromkeys(keys, resolution)


# Above 64 pixels, or for 48 frames (paper A.2).
HALF_WIDTH: Changes = {"model.generator_channels": 64}
SIXTEEN_FRAMES: Changes = {"clip.frames": 16, "clip.stride": 1}
UCF101: Changes = {"index.root": "data/ucf101", "index.source": "ucf101", "index.max_missing": 0.0}
# None of their protocols measures both FID and IS.
NO_CURVE: Changes = {"evaluate.truncations": []}
PREDICTION: Changes = {"features.protocols": ["prediction_fvd"], **NO_CURVE}

TABLES = {
    BASE: Preset(
        "Table 1, row 12 / 64 x 64: class-conditional synthesis on Kinetics-600.",
        "FID 0.91, IS 61.10; IS 129.9 with truncation.",
    ),
    "table1_48x64": Preset(
        "Table 1, row 48 / 64 x 64: class-conditional synthesis on Kinetics-600.",
        "FID 12.92, IS 97.62; IS 219.05 with truncation.",
        BASE,
        {"clip.frames": 48, **HALF_WIDTH},
    ),
    "table1_12x128": Preset(
        "Table 1, row 12 / 128 x 128: class-conditional synthesis on Kinetics-600.",
        "FID 2.16, IS 55.09; IS 80.32 with truncation.",
        BASE,
        {**pixels(128), **HALF_WIDTH},
    ),
    "table1_48x128": Preset(
        "Table 1, row 48 / 128 x 128: class-conditional synthesis on Kinetics-600.",
        "FID 31.50, IS 111.19; IS 222.07 with truncation.",
        BASE,
        {"clip.frames": 48, **pixels(128), **HALF_WIDTH},
    ),
    "table1_12x256": Preset(
        "Table 1, row 12 / 256 x 256: class-conditional synthesis on Kinetics-600.",
        "FID 3.35, IS 59.74; IS 64.05 with truncation.",
        BASE,
        {**pixels(256), **HALF_WIDTH},
    ),
    "table2_ucf101": Preset(
        "Table 2, row DVD-GAN: class-conditional synthesis on UCF-101, 16 frames of 128 x 128.",
        "IS 32.97 +- 1.7 by C3D; some samples repeat training data (B.2).",
        BASE,
        {**SIXTEEN_FRAMES, **pixels(128), **UCF101, **HALF_WIDTH}
        | {
            "features.protocols": ["unterthiner_fvd", "tgan_is"],
            "evaluate.samples": 9984,
            **NO_CURVE,
        },
    ),
    "table3_kinetics_prediction": Preset(
        "Table 3, row DVD-GAN-FP: frame prediction on Kinetics-600, 5 frames in, 11 out.",
        "FVD 99.32 +- 0.55 (train), 103.78 +- 1.17 (test).",
        BASE,
        {**SIXTEEN_FRAMES, **PREDICTION}
        | {"model.recurrent_channels": 512, "model.conditioning_frames": 5},
    ),
    "table3_kinetics_synthesis": Preset(
        "Table 3, row DVD-GAN: the synthesis model for comparison with prediction, 16 frames, "
        "none given.",
        "FVD 32.3 +- 0.82 (train), 31.1 +- 0.56 (test).",
        BASE,
        SIXTEEN_FRAMES,
    ),
    "table4_bair_prediction": Preset(
        "Table 4, row DVD-GAN-FP: frame prediction on BAIR robot pushing, 1 frame in, 15 out.",
        "FVD 127.1.",
        BASE,
        {**SIXTEEN_FRAMES, **PREDICTION, "index.root": "data/bair", "index.source": "bair"}
        | {"index.max_missing": 0.0}
        | {"model.recurrent_channels": 512, "model.conditioning_frames": 1},
    ),
}

FIGURE_7 = "; 12 x 64 x 64, 100,000 steps, three seeds: train.seed 0, 1, 2."
OVER_K = (
    "FID and IS as curves, mean and deviation over the seeds: both improve with more frames, "
    "with diminishing returns."
)
OVER_PHI = (
    "FID and IS as curves, mean and deviation over the seeds: FID is similar, IS is lower with "
    "smaller views."
)


def on_figure(row: str, numbers: str, **model: Value) -> Preset:
    """A point of Fig. 7: the point of k = 8 and phi = 2 x 2 pooling with other values in
    `model`."""
    return Preset(
        f"Fig. 7, {row}{FIGURE_7}",
        numbers,
        "fig7_k8",
        {f"model.{key}": value for key, value in model.items()},
    )


FIGURES = {
    "fig7_k1": on_figure("D_S sees k = 1 frame", OVER_K, spatial_frames=1),
    "fig7_k2": on_figure("D_S sees k = 2 frames", OVER_K, spatial_frames=2),
    "fig7_k8": Preset(
        "Fig. 7, k = 8 and phi = 2 x 2 average pooling, the point that both panels "
        f"share{FIGURE_7}",
        "FID and IS as curves, mean and deviation over the seeds.",
        BASE,
        {"train.steps": 100000},
    ),
    "fig7_k10": on_figure("D_S sees k = 10 frames", OVER_K, spatial_frames=10),
    "fig7_phi_4x4": on_figure("phi = 4 x 4 average pooling", OVER_PHI, phi="average_pool_4x4"),
    "fig7_phi_identity": on_figure("phi = identity", OVER_PHI, phi="identity"),
    "fig7_phi_random_half_crop": on_figure(
        "phi = a random crop of half the size", OVER_PHI, phi="random_half_crop"
    ),
    "ablation_spatial_only": Preset(
        f"Section 3.1 motivates the two discriminators; this preset has only D_S{FIGURE_7}",
        "none; compare with a run of fig7_k8.",
        "fig7_k8",
        {"model.discriminators": "spatial"},
    ),
    "ablation_temporal_only": Preset(
        f"Section 3.1 motivates the two discriminators; this preset has only D_T{FIGURE_7}",
        "none; compare with a run of fig7_k8.",
        "fig7_k8",
        {"model.discriminators": "temporal"},
    ),
}


def in_appendix(row: str, numbers: str, **model: Value) -> Preset:
    """A variant of App. C: Table 1's first row with other values in `model`."""
    changes = {f"model.{key}": value for key, value in model.items()}
    return Preset(f"Appendix C, {row}", numbers, BASE, changes)


BEHIND = "none; clearly worse than batch normalisation."
APPENDIX = {
    "appendix_c_batch_norm_all_frames": in_appendix(
        "an early version: batch normalisation over all frames of all clips.",
        "none; frames exchange information through the statistics, and sampling needs the "
        "statistics of a batch.",
        block_norm="batch",
        output_norm="batch",
    ),
    "appendix_c_group_norm": in_appendix(
        "group normalisation.",
        "none; the best norm without batch statistics, nearly as good as batch normalisation.",
        block_norm="group",
        output_norm="group",
    ),
    "appendix_c_layer_norm": in_appendix(
        "layer normalisation.", BEHIND, block_norm="layer", output_norm="layer"
    ),
    "appendix_c_instance_norm": in_appendix(
        "instance normalisation.", BEHIND, block_norm="instance", output_norm="instance"
    ),
    "appendix_c_no_norm": in_appendix(
        "no normalisation.", BEHIND, block_norm="none", output_norm="none"
    ),
    "appendix_c_no_output_norm": in_appendix(
        "no normalisation before the last convolution.",
        "none; a catastrophic failure.",
        output_norm="none",
    ),
    "appendix_c_no_block_norm": in_appendix(
        "no normalisation inside the residual blocks.",
        "IS up to 110.05 and FID 1.22: twice the usual IS, but a worse FID and visually worse "
        "samples.",
        block_norm="none",
    ),
    "appendix_c_biggan_deep": in_appendix(
        "residual blocks of BigGAN-deep.",
        "none; faster in wall-clock time, but less accurate than BigGAN's blocks.",
        blocks="biggan_deep",
    ),
}

OF_THE_PAPER = TABLES | FIGURES | APPENDIX


def of_source(row: str, **index: Value) -> Preset:
    """A preset for your own data in a layout other than one folder per class."""
    return Preset(row, "", SMALL, {f"index.{key}": value for key, value in index.items()})


SOURCES = {
    "small_csv": of_source(
        "Your own videos in any folder, listed in a CSV in this folder: videos.csv, with the "
        "columns path and label and, optionally, split, group, start and end.",
        source="csv",
        table="videos.csv",
    ),
    "small_hugging_face": of_source(
        "Your own videos in the layout of Hugging Face's datasets: "
        "<root>/<split>/<class>/<video>, or a metadata.csv in the folder of each split.",
        source="hugging_face",
    ),
    "small_webdataset": of_source(
        "Your own videos in the tar files of a WebDataset.", source="webdataset"
    ),
}

PRESETS: dict[str, Preset] = OF_THE_PAPER | SOURCES


def files() -> dict[str, str]:
    """The text of every preset, by file name."""
    return {f"{name}.yaml": header(name) + body(name) for name in PRESETS}


def header(name: str) -> str:
    """The comment at the top: description, results, data, hardware, and the differences from the
    base."""
    preset = PRESETS[name]
    if preset.base == SMALL:
        lines = [
            f"{preset.row} Copy this file to params.yaml, set index.root, and run `dvc repro`."
        ]
        return "".join(comment(line) for line in [*lines, *differences(preset), SOURCES_PAGE])
    lines = [
        preset.row,
        f"The paper's results: {preset.numbers}",
        f"Data: {DATA[data_root(name)]}",
        HARDWARE.format(name=name),
        PRECISION,
    ]
    return "".join(comment(line) for line in [*lines, *differences(preset), PAGE])


def differences(preset: Preset) -> list[str]:
    """The changes, and the file in which to edit them."""
    if preset.base is None:
        return ["The base of the paper's other presets: after a change, run presets/make.py."]
    changes = "; ".join(f"{key} {written(value)}" for key, value in preset.changes.items())
    return [
        f"Differs from {preset.base} in: {changes}.",
        "Generated by presets/make.py; make changes there.",
    ]


def data_root(name: str) -> str:
    """The value of index.root."""
    found = re.search(r"^  root: (.+)$", body(name), re.MULTILINE)
    assert found is not None
    return found[1]


def comment(line: str) -> str:
    """The line as YAML comments, wrapped; no word, as a path or a command, is ever cut."""
    wrapped = textwrap.wrap(line, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return "".join(f"# {part}\n" for part in wrapped)


def body(name: str) -> str:
    """The values: those of the base, with this preset's own.

    Raises KeyError for a key that the base does not have, ValueError for a value that the base
    already has.
    """
    if name in (BASE, SMALL):
        text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
        return text[text.index("clip:\n") :]
    preset = PRESETS[name]
    assert preset.base is not None
    values = YAML().load(body(preset.base))
    for key, value in preset.changes.items():
        section, _, last = key.rpartition(".")
        before = reduce(getitem, section.split("."), values)
        if before[last] == value:
            raise ValueError(f"{name}: {key} is also {written(value)} in {preset.base}")
        before[last] = value
    return in_dvc_style(values)


def in_dvc_style(values: Any) -> str:
    """YAML as `dvc exp run --set-param` writes it, so that this changes no other line.

    ``values``: as YAML().load gives them; comments are kept.
    """
    text = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(plain_leaves(values), text)
    return text.getvalue()


def plain_leaves(values: Any) -> Any:
    """``values`` with lists and numbers as Python's own, which have no style of the file."""
    for key, value in values.items():
        values[key] = plain_leaves(value) if isinstance(value, dict) else plain(value)
    return values


def plain(value: Any) -> Value:
    if isinstance(value, list):
        return [plain(each) for each in value]
    return float(value) if isinstance(value, float) else value


def written(value: Value) -> str:
    """A value in a comment."""
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return "null" if value is None else str(value)


if __name__ == "__main__":
    for file, text in files().items():
        (FOLDER / file).write_text(text, encoding="utf-8")
    by_hand = {*FOLDER.glob("*.yaml"), FOLDER.parent / "params.yaml"}
    for path in by_hand - {FOLDER / file for file in files()}:
        values = YAML().load(path.read_text(encoding="utf-8"))
        path.write_text(in_dvc_style(values), encoding="utf-8")
    print(f"{len(PRESETS)} presets -> {FOLDER}")
