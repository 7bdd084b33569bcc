"""params.yaml is refused in words, all problems at once, or loaded exactly."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from dvdgan.config import Config, fingerprint, load_config, parse_config
from dvdgan.errors import UserError

DEMO = Path(__file__).resolve().parents[2] / "presets" / "demo.yaml"


FRAMES, STEPS = 12, 120


@pytest.fixture
def raw() -> dict[str, Any]:
    """The demo's params, with the numbers these tests speak of."""
    values: dict[str, Any] = YAML(typ="safe").load(DEMO.read_text(encoding="utf-8"))
    values["clip"]["frames"] = FRAMES
    values["train"] |= {"steps": STEPS, "checkpoint_every": 40}
    values["train"]["guard"]["evaluate_every"] = 80
    return values


def refusal(raw: Any) -> str:
    with pytest.raises(UserError) as caught:
        parse_config(raw)
    return str(caught.value)


def problems(text: str) -> list[str]:
    return [line.removeprefix("  - ") for line in text.splitlines() if line.startswith("  - ")]


def test_values_arrive_as_they_stand(raw: dict[str, Any]) -> None:
    assert parse_config(copy.deepcopy(raw)).model_dump() == raw


@pytest.mark.parametrize(
    ("section", "key", "nearest"),
    [
        ("train", "batchsize", "batch_size"),
        ("clip", "resolutoin", "resolution"),
        ("index", "test_fractions", "test_fraction"),
    ],
)
def test_a_misspelt_key_is_answered_with_the_nearest(
    raw: dict[str, Any], section: str, key: str, nearest: str
) -> None:
    raw[section][key] = raw[section].pop(nearest)
    assert problems(refusal(raw)) == [
        f"{section}.{nearest} is missing",
        f"{section}.{key} is not a parameter; did you mean {nearest}?",
    ]


def test_a_misspelt_key_of_the_guard_and_a_misspelt_section(raw: dict[str, Any]) -> None:
    raw["train"]["guard"]["patiense"] = 2
    raw["trian"] = {}
    assert problems(refusal(raw)) == [
        "train.guard.patiense is not a parameter; did you mean patience?",
        "trian is not a parameter; did you mean train?",
    ]


def test_a_key_like_no_other_is_answered_with_all_known(raw: dict[str, Any]) -> None:
    raw["export"]["zzz"] = 1
    (line,) = problems(refusal(raw))
    assert line == (
        "export.zzz is not a parameter; allowed here: standing_batch_size, standing_batches"
    )


def test_a_missing_section_is_named(raw: dict[str, Any]) -> None:
    del raw["evaluate"]
    assert problems(refusal(raw)) == ["evaluate is missing"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model.spatial_frames": 13}, "set 1 <= model.spatial_frames <= 12"),
        ({"clip.resolution": 64}, "set shard.short_side >= 64"),
        ({"train.steps": 79}, "set train.guard.evaluate_every <= 79"),
        ({"train.checkpoint_every": 50}, "a multiple of 50"),
        ({"index.min_short_side": 4000}, "every video would be refused"),
        ({"monitor.components": 33, "features.width": 4}, "8 x features.width (8 x 4)"),
        ({"index.source": "csv"}, "index.table is null: set it to the CSV"),
    ],
)
def test_impossible_combinations_are_refused(
    raw: dict[str, Any], changes: dict[str, Any], words: str
) -> None:
    for dotted, value in changes.items():
        section, _, key = dotted.partition(".")
        raw[section][key] = value
    (line,) = problems(refusal(raw))
    assert words in line
    assert all(dotted in line for dotted in changes)


@pytest.mark.parametrize(
    ("protocols", "words"),
    [
        (["self_trained", "unterthiner_fvd"], "FVD is measured by two of them"),
        (["tgan_is"], "the first one judges checkpoints by FVD, which tgan_is does not measure"),
        (["prediction_fvd"], "measures models that continue given frames"),
    ],
)
def test_protocols_that_cannot_measure_the_run_are_refused(
    raw: dict[str, Any], protocols: list[str], words: str
) -> None:
    raw["features"]["protocols"] = protocols
    lines = problems(refusal(raw))
    assert any(words in line and str(protocols) in line for line in lines)


@pytest.mark.parametrize(
    ("dotted", "limit"),
    [("model.spatial_frames", 12), ("train.checkpoint_every", 80), ("train.steps", 80)],
)
def test_combinations_may_go_to_the_limit(raw: dict[str, Any], dotted: str, limit: int) -> None:
    section, _, key = dotted.partition(".")
    raw[section][key] = limit
    assert getattr(getattr(parse_config(raw), section), key) == limit


def test_all_problems_come_at_once(raw: dict[str, Any]) -> None:
    raw["train"]["steps"] = "many"
    raw["train"]["guard"]["patience"] = 0
    raw["clip"]["resolution"] = 64
    raw["shards"] = {}
    del raw["report"]["max_classes"]
    text = refusal(raw)
    assert text.startswith("params has 5 problems:")
    assert [line.split()[0] for line in problems(text)] == [
        "train.steps",
        "train.guard.patience",
        "report.max_classes",
        "shards",
        "clip.resolution",
    ]
    assert text.endswith("nothing was run")


def edited(tmp_path: Path, edit: Callable[[str], str]) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(edit(DEMO.read_text(encoding="utf-8")), encoding="utf-8")
    return path


def test_numbers_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    """In YAML 1.1 1e-4 is text and 010 is eight."""
    path = edited(
        tmp_path,
        lambda text: text.replace("adam_epsilon: 1e-06", "adam_epsilon: 1e-4").replace(
            "\n  frames: ", "\n  frames: 0"
        ),
    )
    config = load_config(path)
    assert config.train.adam_epsilon == 0.0001
    assert config.clip.frames == load_config(DEMO).clip.frames


def test_a_missing_file_is_answered_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_config(tmp_path / "params.yaml")
    assert caught.value.where == str(tmp_path / "params.yaml")


def test_a_config_cannot_be_changed(raw: dict[str, Any]) -> None:
    config = parse_config(raw)
    with pytest.raises(ValueError, match="frozen"):
        config.clip.frames = 16


def leaves(config: Config) -> list[tuple[str, str]]:
    return [(section, key) for section in ("clip", "model") for key in config.model_dump()[section]]


def test_fingerprint_is_of_the_values_alone(raw: dict[str, Any]) -> None:
    config = parse_config(raw)
    turned = parse_config({name: dict(reversed(raw[name].items())) for name in reversed(raw)})
    assert fingerprint(config.train, "code") == fingerprint(turned.train, "code")
    assert len(fingerprint(config.train)) == 16


def test_fingerprint_changes_with_every_value_string_and_their_order(raw: dict[str, Any]) -> None:
    config = parse_config(raw)
    marks = {
        fingerprint(config.clip, config.train),
        fingerprint(config.train, config.clip),
        fingerprint(config.clip, config.train, "data"),
    }
    for section, key in leaves(config):
        part = getattr(config, section)
        changed = part.model_copy(update={key: f"not {getattr(part, key)}"})
        others = [config.clip, config.model, config.train]
        marks.add(fingerprint(*(changed if other is part else other for other in others)))
    guard = config.train.guard.model_copy(update={"patience": 7})
    marks.add(fingerprint(config.clip, config.train.model_copy(update={"guard": guard})))
    assert len(marks) == 3 + len(leaves(config)) + 1


@pytest.mark.parametrize(
    "text",
    [
        "train: &a\n  steps: *a\n",
        "train: &a [*a, *a]\n",
        "a: &a [1, 2]\n"
        + "".join(
            f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else '*a'] * 9)}]\n" for n in range(9)
        ),
    ],
    ids=["in a mapping", "in a list", "nine to the ninth"],
)
def test_an_alias_without_end_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(UserError, match=r"contains itself|aliases .* expand"):
        load_config(tmp_path / "params.yaml")


def test_thousands_of_brackets_are_no_params(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("train: " + "[" * 5000)
    with pytest.raises(UserError, match="not valid YAML"):
        load_config(tmp_path / "params.yaml")
