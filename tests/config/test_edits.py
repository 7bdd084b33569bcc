"""What people really do to params.yaml, and the messages they get."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dvdgan.config import load_config
from dvdgan.errors import UserError

PRESET = (
    Path(__file__).resolve().parents[2] / "presets" / "moving_shapes_prediction.yaml"
).read_text(encoding="utf-8")

Edit = tuple[str, str]

# (text of the preset, what it becomes): all problems, whole lines.
PROBLEMS: dict[Edit, list[str]] = {
    # Keys.
    ("  batch_size: 8\n", "  batchsize: 8\n"): [
        "train.batch_size is missing",
        "train.batchsize is not a parameter; did you mean batch_size?",
    ],
    ("ema_decay:", "ema-decay:"): [
        "train.ema_decay is missing",
        "train.ema-decay is not a parameter; did you mean ema_decay?",
    ],
    ("monitor:", "Monitor:"): [
        "monitor is missing",
        "Monitor is not a parameter; did you mean monitor?",
    ],
    ("clip:\n", "batch_size: 3\nclip:\n"): [
        "batch_size is not a parameter; batch_size belongs below features or below train"
    ],
    ("clip:\n", "patience: 3\nclip:\n"): [
        "patience is not a parameter; patience belongs below train.guard"
    ],
    ("clip:\n", "train.seed: 3\nclip:\n"): [
        "train.seed cannot be written with a dot; write seed below train"
    ],
    ("train:\n", "train:\n  frames: 8\n"): [
        "train.frames is not a parameter; frames belongs below clip"
    ],
    ("train:\n", "train:\n  export: {}\n"): [
        "train.export is not a parameter; export belongs at the top level"
    ],
    ("  max_rollbacks: 2", "# max_rollbacks: 2"): ["train.guard.max_rollbacks is missing"],
    ("report:\n", "3: x\nreport:\n"): [
        "3 is not a parameter; allowed here: clip, evaluate, export, features, index, model, "
        "monitor, reference, report, shard, train"
    ],
    # Numbers.
    ("  steps: 300", '  steps: "300"'): [
        'train.steps is "300", but must be a whole number; write 300 without quotes'
    ],
    ("  steps: 300", "  steps: 3e2"): [
        "train.steps is 300.0, but must be a whole number; write 300"
    ],
    ("  steps: 300", "  steps: 0"): ["train.steps is 0, but must be at least 1"],
    ("  steps: 300", "  steps: -300"): ["train.steps is -300, but must be at least 1"],
    ("  steps: 300", "  steps: 1.5"): ["train.steps is 1.5, but must be a whole number"],
    ("  steps: 300", "  steps: 3'000"): [
        'train.steps is "3\'000", but must be a whole number; write 3000'
    ],
    ("  steps: 300", "  steps: true"): ["train.steps is true, but must be a whole number"],
    ("  steps: 300", "  steps:"): ["train.steps is null, but must be a whole number"],
    ("  steps: 300", "  steps: [300]"): [
        "train.steps is [300], but must be a whole number; write 300"
    ],
    ("  steps: 300", "  steps: many"): ['train.steps is "many", but must be a whole number'],
    ("test_fraction: 0.25", "test_fraction: 0,25"): [
        'index.test_fraction is "0,25", but must be a number; write 0.25, with a point'
    ],
    ("test_fraction: 0.25", "test_fraction: 25%"): [
        'index.test_fraction is "25%", but must be a number; write 0.25'
    ],
    ("test_fraction: 0.25", 'test_fraction: "1e-1"'): [
        'index.test_fraction is "1e-1", but must be a number; write 1e-1 without quotes'
    ],
    ("test_fraction: 0.25", "test_fraction: 0.75"): [
        "index.test_fraction is 0.75, but must be at most 0.5"
    ],
    ("ema_decay: 0.98", "ema_decay: 1"): ["train.ema_decay is 1, but must be below 1"],
    ("ema_decay: 0.98", "ema_decay: .nan"): [
        "train.ema_decay is .nan, but must be a finite number"
    ],
    ("generator_learning_rate: 0.001", "generator_learning_rate: 0"): [
        "train.generator_learning_rate is 0, but must be above 0"
    ],
    ("samples: 256", "samples: 1e20"): [
        "evaluate.samples is 1e+20, but must be a whole number; write 100000000000000000000"
    ],
    # Words, lists and sections.
    ("flip: false", "flip: no"): [
        'train.augmentation.flip is "no", but must be true or false; write false'
    ],
    ("flip: false", 'flip: "false"'): [
        'train.augmentation.flip is "false", but must be true or false; write false without quotes'
    ],
    ("flip: false", "flip: 0"): ["train.augmentation.flip is 0, but must be true or false"],
    ("recurrent_channels:", "recurrent_channels: None"): [
        'model.recurrent_channels is "None", but must be a whole number or null; write null'
    ],
    ("max_rollbacks: 2", "max_rollbacks: null"): [
        "train.guard.max_rollbacks is null, but must be a whole number"
    ],
    ("table:", "table: None"): [
        'index.table is "None", which is read as a name; write null for no value'
    ],
    ("table:", 'table: ""'): ['index.table is "", but must be text that is not empty'],
    ("root: data/moving_shapes", "root:"): ["index.root is null, but must be text"],
    ("root: data/moving_shapes", "root: 2024"): [
        'index.root is 2024, but must be text; write "2024", in quotes'
    ],
    ("root: data/moving_shapes", "root: 2026-01-02"): [
        'index.root is 2026-01-02, but must be text; write "2026-01-02", in quotes'
    ],
    ("root: data/moving_shapes", "root: ~no-such-user/videos"): [
        'index.root is "~no-such-user/videos", but this user has no home folder; write the full '
        "path"
    ],
    ("resolution: 32", "resolution: 48"): [
        "clip.resolution is 48, but must be one of 32, 64, 128 or 256"
    ],
    ("precision: fp32", "precision: FP32"): [
        'train.precision is "FP32", but must be one of fp32, bf16 or fp16'
    ],
    ("protocols:\n  - self_trained", "protocols: self_trained"): [
        'features.protocols is "self_trained", but must be a list of texts; write [self_trained]'
    ],
    ("protocols:\n  - self_trained", "protocols: []"): [
        "features.protocols is [], but must be a list that is not empty"
    ],
    ("truncations:\n  - 0.44", "truncations: 0.44"): [
        "evaluate.truncations is 0.44, but must be a list of numbers; write [0.44]"
    ],
    ("truncations:\n  - 0.44", "truncations: [0,44]"): [
        "evaluate.truncations[0] is 0, but must be above 0",
        "evaluate.truncations[1] is 44, but must be below 1",
    ],
    ("monitor:\n  components: 8\n  drift_threshold: 0.1\n", "monitor:\n"): [
        "monitor is null, but must be a section: write its keys below it, indented by two more "
        "spaces"
    ],
    ("monitor:\n  components: 8\n  drift_threshold: 0.1\n", "monitor: []\n"): [
        "monitor is [], but must be a section: write its keys below it, indented by two more spaces"
    ],
}

# (text of the preset, what it becomes): line, counted from the edit's own, and the words.
BROKEN: dict[Edit, tuple[int, str]] = {
    ("  frames: 8", "\tframes: 8"): (0, "a tab: indent YAML with spaces"),
    ("  frames: 8", "  frames: 8\n\t# eight"): (1, "a tab: indent YAML with spaces"),
    ("  frames: 8", "\u00a0 frames: 8"): (0, "a non-breaking space: replace it by a space"),
    ("  frames: 8", "   frames: 8"): (0, "a line that is indented too far"),
    ("  frames: 8", " frames: 8"): (
        0,
        "the line is not indented like the other lines of its section",
    ),
    ("  frames: 8", "  frames 8"): (0, "a key needs a colon and a space after it"),
    ("  frames: 8", "  frames:8"): (0, "a key needs a colon and a space after it"),
    ("  frames: 8", "  frames: 8\n  frames: 9"): (1, "the key frames occurs twice"),
    ("shard:\n", "clip:\n  frames: 3\nshard:\n"): (0, "the key clip occurs twice"),
    ("root: data/moving_shapes", r"root: C:\videos: mine"): (0, "a colon in a plain value"),
    ("root: data/moving_shapes", r'root: "C:\data"'): (0, r"\d is not an escape in double quotes"),
    ("root: data/moving_shapes", "root: 'data"): (0, "a quotation mark opened here"),
    ("root: data/moving_shapes", "root: @data"): (0, "a plain value cannot begin with @: quote it"),
    ("root: data/moving_shapes", "root: *.mp4"): (0, "*.mp4 refers to &.mp4"),
    ("root: data/moving_shapes", "root: 2026-13-45"): (0, "month must be in 1..12: quote it"),
    ("root: data/moving_shapes", "root: !!python/name:os.system x"): (0, "is not allowed"),
    ("truncations:\n  - 0.44", "truncations: [0.44"): (0, "a bracket opened here"),
    ("clip:\n", "clip: &again\n  more: *again\n"): (0, "&again contains itself"),
    ("report:\n", "---\nreport:\n"): (0, "--- starts a second document"),
    ("  frames: 8", "  frames: 8\x00"): (0, "the character U+0000 is not allowed"),
    ("  frames: 8", "  - frames: 8"): (0, "the line"),
}


def edited(folder: Path, edit: Edit) -> Path:
    before, after = edit
    assert before in PRESET
    path = folder / "params.yaml"
    # The last place: train's and evaluate's keys stand behind their namesakes.
    head, _, tail = PRESET.rpartition(before)
    path.write_text(f"{head}{after}{tail}", encoding="utf-8")
    return path


@pytest.mark.parametrize(("edit", "problems"), PROBLEMS.items())
def test_every_problem_of_an_edit_is_described(
    tmp_path: Path, edit: Edit, problems: list[str]
) -> None:
    with pytest.raises(UserError) as caught:
        load_config(edited(tmp_path, edit))
    lines = str(caught.value).splitlines()
    assert [line.removeprefix("  - ") for line in lines[1:-1]] == problems


@pytest.mark.parametrize(("edit", "error"), BROKEN.items())
def test_broken_yaml_is_described_with_its_line(
    tmp_path: Path, edit: Edit, error: tuple[int, str]
) -> None:
    path = edited(tmp_path, edit)
    with pytest.raises(UserError, match="is not valid YAML") as caught:
        load_config(path)
    offset, words = error
    line = PRESET.rpartition(edit[0])[0].count("\n") + 1 + offset
    assert caught.value.where.startswith(f"line {line}: ")
    assert words in caught.value.where


@pytest.mark.parametrize(
    ("data", "what", "where"),
    [
        (PRESET.encode("utf-16"), "is UTF-16, not UTF-8", ""),
        (PRESET.encode("utf-16-le"), "is UTF-16, not UTF-8", ""),
        (PRESET.encode("utf-32"), "is UTF-32, not UTF-8", ""),
        (
            f"clip:\n# größer\n{PRESET}".encode("latin-1"),
            "perhaps Latin-1",
            "line 2: the byte 0xf6",
        ),
        (b"", "is empty, not sections", ""),
        (b"- clip\n- train\n", "holds a list, not sections", ""),
        (b"clip", "holds a single value, not sections", ""),
    ],
)
def test_what_is_no_file_of_sections(tmp_path: Path, data: bytes, what: str, where: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(data)
    with pytest.raises(UserError, match=what) as caught:
        load_config(path)
    assert caught.value.where == where


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("  frames: 8", "  frames: &length 8").replace(
            "  components: 8", "  components: *length"
        ),
        lambda text: "---\n" + text + "...\n",
        lambda text: text.replace("flip: false", "flip: False"),
        lambda text: text.replace("table:", "table: ~"),
    ],
)
def test_other_spellings_mean_the_same(tmp_path: Path, edit: Callable[[str], str]) -> None:
    for name, text in (("one.yaml", PRESET), ("other.yaml", edit(PRESET))):
        (tmp_path / name).write_bytes(text.encode())
    assert load_config(tmp_path / "other.yaml") == load_config(tmp_path / "one.yaml")


def test_the_home_folder_is_expanded_in_every_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    text = PRESET.replace("root: data/moving_shapes", "root: ~/videos")
    (tmp_path / "params.yaml").write_text(text.replace("table:", "table: ~/table.csv"))
    index = load_config(tmp_path / "params.yaml").index
    assert (index.root, index.table) == ("/home/ann/videos", "/home/ann/table.csv")
