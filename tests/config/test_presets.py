"""The params files the repository ships, and the page that explains them."""

import importlib.util
import re
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
from dvc.utils.hydra import apply_overrides

from dvdgan.config import Config, load_config
from dvdgan.config.reference import params_page
from dvdgan.config.schema import SourceName
from dvdgan.config.section import Section

ROOT = Path(__file__).resolve().parents[2]
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))

# The paper's rows, its values by hand: frames, pixels, stride, ch of G, ch0, C, k, steps.
PAPER = {
    "table1_12x64": (12, 64, 2, 128, None, 0, 8, 300_000),
    "table1_48x64": (48, 64, 2, 64, None, 0, 8, 300_000),
    "table1_12x128": (12, 128, 2, 64, None, 0, 8, 300_000),
    "table1_48x128": (48, 128, 2, 64, None, 0, 8, 300_000),
    "table1_12x256": (12, 256, 2, 64, None, 0, 8, 300_000),
    "table2_ucf101": (16, 128, 1, 64, None, 0, 8, 300_000),
    "table3_kinetics_prediction": (16, 64, 1, 128, 512, 5, 8, 300_000),
    "table3_kinetics_synthesis": (16, 64, 1, 128, None, 0, 8, 300_000),
    "table4_bair_prediction": (16, 64, 1, 128, 512, 1, 8, 300_000),
    "fig7_k8": (12, 64, 2, 128, None, 0, 8, 100_000),
}

# What an ablation changes, and of which preset.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "fig7_k8": ("table1_12x64", {"train.steps": 100_000}),
    "fig7_k1": ("fig7_k8", {"model.spatial_frames": 1}),
    "fig7_k2": ("fig7_k8", {"model.spatial_frames": 2}),
    "fig7_k10": ("fig7_k8", {"model.spatial_frames": 10}),
    "fig7_phi_4x4": ("fig7_k8", {"model.phi": "average_pool_4x4"}),
    "fig7_phi_identity": ("fig7_k8", {"model.phi": "identity"}),
    "fig7_phi_random_half_crop": ("fig7_k8", {"model.phi": "random_half_crop"}),
    "ablation_spatial_only": ("fig7_k8", {"model.discriminators": "spatial"}),
    "ablation_temporal_only": ("fig7_k8", {"model.discriminators": "temporal"}),
    "appendix_c_no_block_norm": ("table1_12x64", {"model.block_norm": "none"}),
    "appendix_c_no_output_norm": ("table1_12x64", {"model.output_norm": "none"}),
    "appendix_c_biggan_deep": ("table1_12x64", {"model.blocks": "biggan_deep"}),
    **{
        f"appendix_c_{name}": (
            "table1_12x64",
            {"model.block_norm": norm, "model.output_norm": norm},
        )
        for name, norm in {
            "batch_norm_all_frames": "batch",
            "group_norm": "group",
            "layer_norm": "layer",
            "instance_norm": "instance",
            "no_norm": "none",
        }.items()
    },
}
# Data of one's own in other layouts: what differs from small_folder.
SOURCES: dict[str, dict[str, Any]] = {
    "small_csv": {"index.source": "csv", "index.table": "videos.csv"},
    "small_hugging_face": {"index.source": "hugging_face"},
    "small_webdataset": {"index.source": "webdataset"},
}
BY_HAND = {"demo", "moving_shapes", "moving_shapes_prediction", "small_folder"}


def preset(name: str) -> Config:
    return load_config(ROOT / "presets" / f"{name}.yaml")


def flat(section: Section) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in section:
        if isinstance(value, Section):
            found |= {f"{name}.{key}": inner for key, inner in flat(value).items()}
        else:
            found[name] = value
    return found


@pytest.mark.parametrize("path", [ROOT / "params.yaml", *PRESETS], ids=lambda path: path.stem)
def test_every_preset_is_in_order(path: Path) -> None:
    load_config(path)


@pytest.mark.parametrize("path", [ROOT / "params.yaml", *PRESETS], ids=lambda path: path.stem)
def test_dvc_s_set_param_changes_its_line_alone(path: Path, tmp_path: Path) -> None:
    """`dvc exp run --set-param` writes the file so; `python presets/make.py` does, too."""
    copy = tmp_path / "params.yaml"
    shutil.copy(path, copy)
    apply_overrides(copy, ["train.seed=12345"])
    before, after = (each.read_text(encoding="utf-8").splitlines() for each in (path, copy))
    assert len(before) == len(after)
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert changed == ["  seed: 12345"]


def test_every_row_and_point_of_the_paper_has_a_preset_and_no_other_has() -> None:
    assert {path.stem for path in PRESETS} == {*PAPER, *VARIANTS, *SOURCES, *BY_HAND}


@pytest.mark.parametrize("name", PAPER)
def test_a_row_has_the_paper_s_values(name: str) -> None:
    config = preset(name)
    clip, model, train = config.clip, config.model, config.train
    assert (
        clip.frames,
        clip.resolution,
        clip.stride,
        model.generator_channels,
        model.recurrent_channels,
        model.conditioning_frames,
        model.spatial_frames,
        train.steps,
    ) == PAPER[name]
    assert config.shard.short_side == config.index.min_short_side == clip.resolution
    assert (model.discriminator_channels, model.latent_dim, model.class_dim) == (128, 120, 120)
    assert (train.batch_size, train.discriminator_steps) == (512, 2)
    assert (train.generator_learning_rate, train.discriminator_learning_rate) == (1e-4, 2e-4)
    assert (train.adam_beta1, train.adam_beta2, train.adam_epsilon) == (0, 0.999, 1e-6)
    assert (train.ema_decay, train.ema_start) == (0.9999, 20_000)
    assert (model.discriminators, model.phi) == ("dual", "average_pool_2x2")


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_differs_from_its_base_in_the_stated_keys_alone(name: str) -> None:
    base, changes = VARIANTS[name]
    before, after = flat(preset(base)), flat(preset(name))
    assert {key: value for key, value in after.items() if value != before[key]} == changes


@pytest.mark.parametrize("name", SOURCES)
def test_data_in_another_layout_differ_in_the_source_alone(name: str) -> None:
    before, after = flat(preset("small_folder")), flat(preset(name))
    assert {key: value for key, value in after.items() if value != before[key]} == SOURCES[name]


def test_every_source_has_a_preset() -> None:
    sources = {load_config(path).index.source for path in PRESETS}
    assert sources == set(get_args(SourceName))


def test_a_table_s_preset_differs_in_what_its_comment_names() -> None:
    before = flat(preset("table1_12x64"))
    for name in PAPER.keys() - {"table1_12x64"}:
        after = flat(preset(name))
        text = (ROOT / "presets" / f"{name}.yaml").read_text(encoding="utf-8")
        comment = " ".join(line.lstrip("# ") for line in text.partition("\nclip:")[0].splitlines())
        listed = re.search(r"Differs from table1_12x64 in: (.*?)\. Generated", comment)
        assert listed is not None
        changes = {
            key: str(value).replace("'", "") for key, value in after.items() if value != before[key]
        }
        assert dict(each.split(" ", 1) for each in listed[1].split("; ")) == changes


def test_presets_are_what_make_py_writes() -> None:
    spec = importlib.util.spec_from_file_location("presets_make", ROOT / "presets" / "make.py")
    assert spec is not None and spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    written = make.files()
    assert {name.removesuffix(".yaml") for name in written} | BY_HAND == {p.stem for p in PRESETS}
    for name, text in written.items():
        committed = (ROOT / "presets" / name).read_text(encoding="utf-8")
        assert committed == text, f"{name}: run `python presets/make.py`"


def test_the_prediction_of_moving_shapes_is_moving_shapes_with_frames_given() -> None:
    before, after = flat(preset("moving_shapes")), flat(preset("moving_shapes_prediction"))
    changed = {key for key, value in after.items() if value != before[key]}
    assert "model.conditioning_frames" in changed
    assert not [key for key in changed if not key.startswith(("model.", "train.", "evaluate."))]


def test_small_folder_takes_clips_of_real_length() -> None:
    """At 25 frames a second most clips of two seconds must be long enough."""
    assert load_config(ROOT / "presets" / "small_folder.yaml").clip.span <= 50


def test_the_params_page_is_that_of_the_schema() -> None:
    page = (ROOT / "docs" / "params.md").read_text(encoding="utf-8")
    assert page == params_page(), "run `python -m dvdgan.config.reference > docs/params.md`"


def test_every_key_has_a_type_and_a_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", params_page(), re.MULTILINE)
    assert len(rows) == len(keys(Config))
    assert all(kind and meaning for _, kind, _, meaning in rows)


def keys(section: type[Section]) -> list[str]:
    found: list[str] = []
    for name, field in section.model_fields.items():
        kind = field.annotation
        inner = isinstance(kind, type) and issubclass(kind, Section)
        found += keys(kind) if inner else [name]  # type: ignore[arg-type]
    return found
