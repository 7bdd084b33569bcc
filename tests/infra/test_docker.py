"""infra/docker without a Docker engine: schemas, names, and the work tree of a container."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from compose_file import DOCKER, ROOT, compose, example, passwords
from docker.utils.build import exclude_paths

TOOLS = Path(sys.executable).parent
SERVICES: dict[str, dict[str, Any]] = compose(passwords())["services"]
OURS = {name: each for name, each in SERVICES.items() if each["image"].startswith("dvdgan:")}


def tool(name: str, *words: str | Path) -> None:
    done = subprocess.run([TOOLS / name, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_hadolint_finds_nothing() -> None:
    tool("hadolint", DOCKER / "Dockerfile")


def test_compose_takes_the_files() -> None:
    files = sorted(DOCKER.glob("compose*.yaml"))
    tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", *files)


@pytest.mark.parametrize("name", [name for name, value in example().items() if not value])
def test_there_is_no_default_password(name: str) -> None:
    for missing in ({name: ""}, {}):
        given = {key: value for key, value in passwords().items() if key != name}
        with pytest.raises(KeyError, match=name):
            compose(given | missing)


def test_the_example_has_every_variable_that_must_be_set() -> None:
    text = (DOCKER / "compose.yaml").read_text("utf-8")
    required = set(re.findall(r"\$\{(\w+):\?", text))
    assert required == {name for name, value in example().items() if not value}
    assert set(example()) <= set(re.findall(r"\$\{(\w+)", text))


def test_every_image_has_a_tag_of_its_own() -> None:
    for name, service in SERVICES.items():
        tag = service["image"].partition(":")[2]
        assert re.match(r"\d", tag), name


def test_nothing_is_reachable_from_other_machines() -> None:
    ports = [port for each in SERVICES.values() for port in each.get("ports", ())]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len({port.split(":")[1] for port in ports}) == 4
    for name in ("database", "messages"):
        assert SERVICES[name]["networks"] == ["server"]
    assert compose(passwords())["networks"]["server"] == {"internal": True}


def test_our_containers_may_write_their_volumes_alone() -> None:
    for name, service in OURS.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    dockerfile = (DOCKER / "Dockerfile").read_text("utf-8")
    user = re.search(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE)
    assert user is not None and user[1] != "0"


def test_hosts_of_addresses_are_services_on_a_common_network() -> None:
    networks = {name: set(each.get("networks", ["default"])) for name, each in SERVICES.items()}
    seen = set()
    for name, service in SERVICES.items():
        environment = service.get("environment", {})
        urls = re.findall(r"://(?:[^@/\s]*@)?([\w.-]+):(\d+)", " ".join(environment.values()))
        if "PREFECT_REDIS_MESSAGING_HOST" in environment:
            urls.append((environment["PREFECT_REDIS_MESSAGING_HOST"], "6379"))
        for host, _ in urls:
            if host != "127.0.0.1":
                assert networks[name] & networks[host], (name, host)
                seen.add(host)
    assert seen == {"database", "messages", "server", "store"}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `COPY . .` puts into the image."""
    patterns = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    target = tmp_path_factory.mktemp("image")
    for name in exclude_paths(str(ROOT), [line for line in patterns if line[:1] not in ("", "#")]):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    return target


def container(image: Path, volume: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """``command`` as a container of ``image`` runs it, with ``volume`` as its working folder."""
    return subprocess.run(
        [image / "infra/docker/work_tree.sh", *command],
        cwd=volume,
        env=os.environ | {"PATH": f"{TOOLS}:{os.environ['PATH']}", "PYTHONPATH": str(image)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_image_has_the_code_and_nothing_private(image: Path) -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "dvdgan", "flows", "presets", ".dvc/config"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    there = {str(path.relative_to(image)) for path in image.rglob("*") if path.is_file()}
    assert set(tracked) - {".dvc/.gitignore"} <= there
    assert {"dvc.yaml", "params.yaml", "prefect.yaml", "infra/prefect/add_worker.sh"} <= there
    folders = {name.partition("/")[0] for name in there}
    assert not folders & {".git", ".venv", ".runs", "artifacts", "data", "tests", "docs"}
    assert not {name for name in there if name.endswith(".env") or "config.local" in name}


def test_an_empty_volume_becomes_a_work_tree(image: Path, tmp_path: Path) -> None:
    listed = container(image, tmp_path, "dvc", "stage", "list", "--name-only")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.split()[:2] == ["index", "shard"]
    assert (tmp_path / "dvdgan/numerics.json").resolve() == image / "dvdgan/numerics.json"
    assert (tmp_path / "params.yaml").read_text("utf-8") == (ROOT / "params.yaml").read_text(
        "utf-8"
    )


def test_a_volume_keeps_its_own_params_and_lock(image: Path, tmp_path: Path) -> None:
    assert container(image, tmp_path, "true").returncode == 0
    (tmp_path / "params.yaml").write_text("own")
    (tmp_path / "dvdgan").unlink()
    (tmp_path / "dvdgan").symlink_to("/an/older/image/dvdgan")
    running = [
        subprocess.Popen([image / "infra/docker/work_tree.sh", "true"], cwd=tmp_path)
        for _ in range(4)
    ]
    assert [each.wait() for each in running] == [0] * 4
    assert (tmp_path / "params.yaml").read_text() == "own"
    assert (tmp_path / "dvdgan").resolve() == image / "dvdgan"
    assert not list(tmp_path.glob("*.*.[0-9]*"))


def test_a_volume_with_code_of_its_own_is_refused(image: Path, tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    done = container(image, tmp_path, "echo", "ran")
    assert done.returncode == 2
    assert "flows is not a link" in done.stderr
    assert "ran" not in done.stdout


def test_every_command_exists(image: Path, tmp_path: Path) -> None:
    assert container(image, tmp_path, "true").returncode == 0
    for name, service in OURS.items():
        program, *rest = service["command"]
        if "/" not in program:
            assert (TOOLS / program).exists() or shutil.which(program), name
        for word in (program, *rest):
            if re.fullmatch(r"(/opt/dvdgan/)?infra/\S+", word):
                assert (image / word.removeprefix("/opt/dvdgan/")).is_file(), (name, word)
