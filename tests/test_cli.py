"""The command line: help, words instead of tracebacks, exit codes."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import dvdgan.cli
from dvdgan.errors import EXIT_INTERRUPTED, EXIT_USER_ERROR, InterruptedRunError
from dvdgan.storage.store import StoreUnavailableError

DEMO = Path(__file__).resolve().parents[1] / "presets" / "demo.yaml"
VERBS = [command.callback.__name__ for command in dvdgan.cli.app.registered_commands]  # type: ignore[union-attr]

DEFAULTS = (
    "machine: all settings are defaults; to begin a machine file: "
    "cp infra/machines/laptop.yaml machine.yaml"
)

Run = Callable[..., int]


def first_line(verb: str) -> str:
    """Of the verb's docstring."""
    callbacks = [command.callback for command in dvdgan.cli.app.registered_commands]
    callback = next(each for each in callbacks if each is not None and each.__name__ == verb)
    assert callback.__doc__ is not None
    return callback.__doc__.strip().splitlines()[0]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run `dvdgan WORDS` in an empty folder; the exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["dvdgan", *words])
        with pytest.raises(SystemExit) as ended:
            dvdgan.cli.main()
        return int(ended.value.code or 0)

    return call


@pytest.mark.parametrize("columns", ["80", "60", None])
def test_help_shows_the_first_sentence_of_every_verb_uncut(
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    columns: str | None,
) -> None:
    monkeypatch.delenv("TERM", raising=False)
    if columns is None:
        monkeypatch.delenv("COLUMNS")
    else:
        monkeypatch.setenv("COLUMNS", columns)
    assert run("--help") == 0
    commands = capsys.readouterr().out.partition("Commands:")[2]
    sentences = [f"{verb} {first_line(verb)}" for verb in VERBS]
    assert " ".join(commands.split()) == " ".join(sentences)
    assert all(sentence.endswith(".") for sentence in sentences)


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version(run: Run, capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert run(option) == 0
    assert capsys.readouterr().out == f"dvdgan {dvdgan.__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(
    run: Run, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    assert run(verb, "--help") == 0
    out = capsys.readouterr().out
    assert first_line(verb) in " ".join(out.split())
    assert "…" not in out
    assert "--help" in out


@pytest.mark.parametrize("words", [["nonsense"], ["check", "--nonsense"], ["index", "--workers=0"]])
def test_what_cannot_be_parsed_ends_with_2(run: Run, words: list[str]) -> None:
    assert run(*words) == EXIT_USER_ERROR


def test_check_accepts_the_demo(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "data" / "synthetic").mkdir(parents=True)
    assert run("check", "--params", str(DEMO)) == 0
    assert capsys.readouterr() == (f"{DEMO} is valid\n{DEFAULTS}\n", "")


def test_check_warns_of_what_is_hardly_meant(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = re.sub("ema_start: .*", "ema_start: 5000", DEMO.read_text(encoding="utf-8"))
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    assert run("check") == 0
    out, err = capsys.readouterr()
    assert out == f"params.yaml is valid, with 2 warnings\n{DEFAULTS}\n"
    assert [line.partition(",")[0] for line in err.splitlines()] == [
        "warning: index.root is data/synthetic",
        "warning: train.ema_start is 5000",
    ]


def test_model_takes_the_classes_of_the_shards_or_those_given(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run("model", "--params", str(DEMO), "--batch", "3") == 0
    output = capsys.readouterr().out
    assert "600 classes (Kinetics-600; there is no artifacts/shards/index.json)" in output
    assert "for 3 clips" in output
    (tmp_path / "artifacts" / "shards").mkdir(parents=True)
    index = tmp_path / "artifacts" / "shards" / "index.json"
    index.write_text('{"classes": ["a", "b", "c"]}', encoding="utf-8")
    assert run("model", "--params", str(DEMO)) == 0
    output = capsys.readouterr().out
    assert "3 classes (artifacts/shards/index.json)" in output
    assert "for 16 clips" in output  # train.batch_size


NO_PARAMS = ("ablation", "convert", "listing", "sample", "serve", "synthetic")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in NO_PARAMS])
def test_without_params_every_verb_ends_with_2_and_words(
    run: Run, capsys: pytest.CaptureFixture[str], verb: str, tmp_path: Path
) -> None:
    assert run(verb) == EXIT_USER_ERROR
    output = capsys.readouterr().err
    assert output.startswith("error: params.yaml does not exist here\n")
    assert f"where: {tmp_path / 'params.yaml'}" in output
    assert "to do: " in output
    assert "Traceback" not in output


def test_a_misspelt_key_ends_with_2_and_the_nearest(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = DEMO.read_text(encoding="utf-8").replace("discriminator_steps:", "discriminator_step:")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    assert run("check") == EXIT_USER_ERROR
    assert "did you mean discriminator_steps?" in capsys.readouterr().err


def test_an_interruption_ends_with_75_and_words(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path) -> None:
        raise InterruptedRunError("SIGTERM received")

    monkeypatch.setattr("dvdgan.config.load_config", interrupted)
    assert run("check") == EXIT_INTERRUPTED
    output = capsys.readouterr().err
    assert output == "interrupted: SIGTERM received; the same command resumes\n"


def test_a_store_that_stays_away_ends_with_75_and_words(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(path: Path) -> None:
        raise StoreUnavailableError("no answer")

    monkeypatch.setattr("dvdgan.config.load_config", away)
    assert run("check") == EXIT_INTERRUPTED
    output = capsys.readouterr().err
    assert output == "interrupted: no answer; run the same command again when it is available\n"
