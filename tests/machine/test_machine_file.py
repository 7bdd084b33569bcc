"""What a machine file may hold, and what is said about one that cannot be used."""

from pathlib import Path

import pytest

from dvdgan.errors import UserError
from dvdgan.machine import Machine
from dvdgan.machine.reference import HEADING, keys_reference

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "infra" / "machines").glob("*.yaml"))


@pytest.fixture
def machine_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of machine.yaml in the working folder, where it does not exist yet."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "machine.yaml"


def refusal(path: Path | None = None, **variables: str) -> str:
    with pytest.raises(UserError) as raised:
        Machine.load(path, variables)
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("launch: {loader_workers: two}", 'launch.loader_workers is "two", but must be a whole'),
        ("launch: {loader_workers: -1}", "is -1, but must be a whole number, 0 or more"),
        ("launch: {loader_workers: true}", "is true, but must be a whole number, 0 or more"),
        ('launch: {loader_workers: "4"}', "a whole number, 0 or more; write 4 without quotes"),
        ("launch: {launcher: [torchrun, -m]}", "must be text: a command and its options"),
        ('launch: {launcher: "torchrun\\0-m"}', "must be text: a command and its options"),
        ("launch: {launcher: ' '}", "must be text: a command and its options"),
        ("1: 2", "1 is not a key; allowed here: devices, evaluation, launch, nodes"),
        ("nodes: {hosts: {1: 10.0.0.1}}", "must be lines of NAME: ADDRESS below it"),
        ("nodes: {hosts: {node0: [10.0.0.1]}}", "must be lines of NAME: ADDRESS below it"),
        ("nodes: {hosts: [node0, node1]}", "must be lines of NAME: ADDRESS below it"),
        ("nodes: {hosts: {node0: 10.0.0.1, node1: 10.0.0.1}}", "each node once"),
        ('nodes: {hosts: {node0: "10.0.0.1,node1=10.0.0.2"}}', "each node once"),
        ("nodes: {hosts: {../node: 10.0.0.1}}", "lines of NAME: ADDRESS"),
        ("nodes: {lost: hope}", 'nodes.lost is "hope", but must be wait or go_on'),
        ("nodes: {timeout: 1}", "nodes.timeout is 1, but must be a whole number, 5 or more"),
        ("devices: {evaluation: 1}", "must be cpu, cuda, or cuda:1 for the second GPU"),
        ("stores: {shards: 3}", "must be text: s3://BUCKET/PREFIX or a folder"),
        ("stores: {shard_cache_gb: 10G}", 'is "10G", but must be a number of gigabytes above 0'),
        ("stores: {backup_mbps: .inf}", "is .inf, but must be a number of megabytes per second"),
        ("retention: {keep_last: 0}", "retention.keep_last is 0, but must be a whole number, 1"),
        ("retention: {keep_every: 1e4}", "is 10000.0, but must be a whole number"),
        ("evaluation: {worker: yes}", 'is "yes", but must be true or false; write true'),
        ("evaluation: {worker: 1}", "evaluation.worker is 1, but must be true or false"),
        ("prefect: {api_url: head:4200}", "an address that begins with http:// or https://"),
        ("trackers: wandb", "must be a list of tensorboard, dvclive, wandb; write [wandb]"),
        ("trackers: [tensorbord]", "must be a list of tensorboard, dvclive, wandb"),
        ("retention: 3", "retention is 3, but must be a section: write its keys below it"),
        ("launch: {loader_worker: 4}", "launch.loader_worker is not a key; did you mean loader_w"),
        ("stors: {backup: /b}", "stors is not a key; did you mean stores?"),
        ("backup: /b", "backup is not a key; backup belongs below stores"),
        ("stores.backup: /b", "stores.backup cannot be written with a dot; write backup below"),
        ("launch: {colour: red}", "is not a key; allowed here: launcher, loader_workers"),
    ],
)
def test_a_refusal_names_the_line_the_key_and_what_it_may_be(
    text: str, line: str, machine_file: Path
) -> None:
    machine_file.write_text(f"# this machine\n{text}\n", encoding="utf-8")
    assert "machine.yaml, line 2: " in refusal()
    assert line in refusal()


def test_all_problems_of_file_and_variables_are_listed_at_once(machine_file: Path) -> None:
    machine_file.write_text("nodes:\n  lost: hope\nretention:\n  keep_last: 0\n", encoding="utf-8")
    said = refusal(DVDGAN_KEEP_EVERY="often", DVDGAN_MIRROR="/b", DVDGAN_LOST_NODE="wait")
    assert "has 4 problems" in said
    for part in (
        "machine.yaml, line 2: nodes.lost",
        "machine.yaml, line 4: retention.keep_last",
        "the environment variable DVDGAN_KEEP_EVERY",
        "the environment variable DVDGAN_MIRROR",
    ):
        assert part in said


@pytest.mark.parametrize(
    "text",
    [
        "stores: {aws_secret_access_key: hunter2}",
        "stores: {access_key: hunter2}",
        "prefect: {auth_string: hunter2}",
        "prefect: {password: hunter2}",
        "token: hunter2",
        "wandb: {api_key: hunter2}",
        "stores: {backup: 's3://me:hunter2@bucket/runs'}",
        "stores: {shards: 's3://bucket/shards?X-Amz-Signature=hunter2'}",
        "prefect: {api_url: 'http://me:hunter2@head:4200/api'}",
        "launch: {launcher: 'run --token=hunter2 -m'}",
    ],
)
def test_credentials_are_refused_and_not_repeated(text: str, machine_file: Path) -> None:
    machine_file.write_text(f"{text}\n", encoding="utf-8")
    said = refusal()
    assert "hunter2" not in said
    assert "machine.yaml, line 1: " in said
    assert "which this file may not hold: credentials belong in ~/.aws or in environment" in said


def test_a_variable_may_hold_prefects_password(machine_file: Path) -> None:
    url = "http://me:hunter2@head:4200/api"
    assert Machine.load(variables={"PREFECT_API_URL": url}).prefect.api_url == url


def test_what_is_not_yaml_or_not_sections_is_refused(machine_file: Path) -> None:
    machine_file.write_text("launch: {loader_workers: 4\n", encoding="utf-8")
    assert "machine.yaml is not valid YAML" in refusal()
    assert "line 1" in refusal()
    machine_file.write_text("- launch\n", encoding="utf-8")
    assert 'it holds ["launch"], not sections' in refusal()
    machine_file.unlink()
    machine_file.mkdir()
    assert "is a folder, not a file" in refusal()


def test_another_file_is_read_instead_and_has_to_exist(
    machine_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_file.write_text("retention: {keep_last: 3}\n", encoding="utf-8")
    other, third = tmp_path / "other.yaml", tmp_path / "third.yaml"
    other.write_text("retention: {keep_every: 100}\n", encoding="utf-8")
    third.write_text("retention: {keep_last: 9}\n", encoding="utf-8")
    named = {"DVDGAN_MACHINE": str(other)}
    machine = Machine.load(variables=named)
    assert (machine.retention.keep_last, machine.retention.keep_every) == (2, 100)
    assert machine.sources == {"retention.keep_every": str(other)}
    assert Machine.load(third, named).retention.keep_last == 9
    other.unlink()
    assert "the environment variable DVDGAN_MACHINE" in refusal(**named)
    assert f"the machine file {other} does not exist" in refusal(other)


def test_the_home_folder_is_expanded(machine_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    machine_file.write_text("stores: {shard_cache: ~/shards, backup: ~/runs}\n", encoding="utf-8")
    stores = Machine.load(variables={"DVDGAN_SHARDS": "~/copy"}).stores
    assert stores.shard_cache == Path("/home/somebody/shards")
    assert stores.backup == "/home/somebody/runs"
    assert stores.shards == "/home/somebody/copy"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid_also_with_what_it_has_in_comments(path: Path, tmp_path: Path) -> None:
    machine = Machine.load(path, {})
    assert machine.sources
    text = path.read_text(encoding="utf-8")
    assert f"infra/machines/{path.name}" in text  # how to use it
    everything = tmp_path / path.name
    uncommented = text
    for line in text.splitlines():
        value = line.strip().removeprefix("# ")
        if line.strip().startswith("# ") and value.partition(":")[0] in NAMES and ": " in value:
            uncommented = uncommented.replace(line, line.replace("# ", "", 1))
    everything.write_text(uncommented, encoding="utf-8")
    assert Machine.load(everything, {}).sources.keys() >= machine.sources.keys()


NAMES = {"api_url", "backup", "backup_mbps", "evaluation", "files_url", "shard_cache"} | {
    "shard_cache_gb",
    "shards",
    "trackers",
}


def test_there_are_examples() -> None:
    names = [path.stem for path in EXAMPLES]
    assert names == ["kubernetes_s3", "laptop", "one_node_8_gpus", "slurm"]


def test_the_page_ends_with_the_reference() -> None:
    page = (ROOT / "docs" / "machine.md").read_text(encoding="utf-8")
    assert HEADING + page.partition(HEADING)[2] == keys_reference(), (
        "run `python -m dvdgan.machine.reference`"
    )


def test_the_file_with_all_keys_has_them_all(machine_file: Path) -> None:
    example = keys_reference().partition("```yaml\n")[2].partition("```")[0]
    machine_file.write_text(example, encoding="utf-8")
    assert Machine.load(variables={}).sources == {}
    machine_file.write_text(
        "\n".join(
            line.replace("# ", "", 1) if line.lstrip().startswith("# ") else line
            for line in example.splitlines()
        ),
        encoding="utf-8",
    )
    machine = Machine.load(variables={})
    rows = keys_reference().partition("```yaml")[0].count("\n| `")
    assert len(machine.sources) == rows >= 20
