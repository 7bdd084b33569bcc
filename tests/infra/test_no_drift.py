"""Documents, scripts, manifests and workflows name what exists, and agree on ports and images."""

import re

import pytest
import yaml
from compose_file import example
from names import PROJECT, ROOT, code, flows, mistakes, services, torch_build, tracked

WRITTEN = re.compile(
    r"infra/|\.github/|presets/\w+\.yaml|(?:Makefile|\.gitlab-ci\.yml|dvc\.yaml|prefect\.yaml)$"
    r"|(?!CHANGELOG).*\.md$"
)
FILES = [name for name in tracked() if WRITTEN.match(name)]
DOCUMENTS = "\n".join(code(name) for name in FILES if name.endswith(".md"))
# Set for child processes by the code that reads them.
OF_CHILDREN = {
    *("DVDGAN_EXTRACTION_SHARE", "DVDGAN_OUTSIDE", "DVDGAN_PARENT", "DVDGAN_PROCESS_TAG"),
}


def test_every_name_is_one_of_the_code() -> None:
    assert len(FILES) > 120
    found = {name: mistakes(code(name), (ROOT / name).suffix) for name in FILES}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


# Ending of the file, what it says, what is wrong with it.
WRONG = [
    (".md", "`dvdgan trian`", "dvdgan has no command trian here"),
    (".md", "```\ndvdgan train \\\n    --resume\n```", "dvdgan has no option --resume here"),
    (".md", "```\nDVDGAN_NODES=a=b dvdgan train --resume | head\n```", "no option --resume"),
    (".md", "`dvc repro --cached`", "dvc has no option --cached here"),
    (".md", "`prefect work-queue limit trainer`", "prefect has no command limit here"),
    (".md", '`DVDGAN_LAUNCHER="torchrun --processes 8 -m" dvc repro`', "torchrun has no option"),
    (".md", "`make tests`", "make has no target tests"),
    (".md", "`python -m dvdgan.guard.launcher`", "no module dvdgan.guard.launcher"),
    (".md", "`prefect deployment run evaluate/newest`", "no deployment evaluate/newest"),
    (".md", "`prefect deployment run evaluate/best --param fvd=3`", "has no parameter fvd"),
    (".md", '```\ncurl -d \'{"run_input": {"answer": "end here"}}\'\n```', "no field answer"),
    (".md", "`git add artifacts`", "git ignores artifacts"),
    (".md", "`dvc add .runs/videos`", "git ignores .runs/videos.dvc"),
    (".md", "`DVDGAN_MIRRORS`", "nothing reads DVDGAN_MIRRORS"),
    (".md", "`PREFECT_API_URI=http://SERVER:4200/api`", "nothing reads PREFECT_API_URI"),
    (".md", "`http://127.0.0.1:4203`", "nothing listens on 4203"),
    (".md", "`docker build -t REGISTRY/dvdgan:latest .`", "dvdgan:latest is not built"),
    (".yaml", "newTag: 0.2.0", "dvdgan:0.2.0 is not built"),
    (".md", "`docker build --build-arg TORCH=cu118 .`", "PyTorch's build is"),
    (".md", "`docker compose -f compose.yaml logs store prefect`", "no service prefect"),
    (".md", "`kubectl delete job trains`", "infra/kubernetes has no job trains"),
    (".md", "`pip install torch==1.0`", "torch==1.0, but requirements.lock has"),
    (".md", "Set `train.batch_sise`.", "train.batch_sise is nowhere in the code"),
    (".md", "See `ledgers.jsonl`.", "ledgers.jsonl is nowhere in the code"),
    (".sh", "exec infra/prefect/node.sh", "there is no infra/prefect/node.sh"),
    (".sh", "#   dvdgan train --resume", "dvdgan has no option --resume here"),
    (".sh", "deploy=(prefect deploy flows/nodes.py:node --name x)", "has no flow node"),
    (".yaml", "command: [prefect, server, begin]", "prefect has no command begin here"),
    (".yaml", "- {name: DVDGAN_NODE, value: a}", "nothing reads DVDGAN_NODE"),
    ("", "CMD [dvdgan, --halp]", "dvdgan has no option --halp here"),
]


@pytest.mark.parametrize(("ending", "text", "mistake"), WRONG, ids=[text for _, text, _ in WRONG])
def test_a_wrong_name_is_found(ending: str, text: str, mistake: str) -> None:
    assert any(mistake in each for each in mistakes(text, ending)), mistakes(text, ending)


def test_every_variable_that_is_read_is_documented() -> None:
    read = set(re.findall(r'"(DVDGAN_[A-Z_]+)"', code("dvdgan/", "flows/", "infra/")))
    read |= set(re.findall(r"\$\$?\{?(DVDGAN_[A-Z_]+)", code("infra/", "Makefile", "prefect.yaml")))
    read |= set(re.findall(r"\$\{(\w+)", code("infra/docker/compose.yaml")))
    assert len(read) > 25
    known = DOCUMENTS + code("infra/docker/.env.example", "CHANGELOG.md")  # there: old names
    assert {name for name in read - OF_CHILDREN if not re.search(rf"\b{name}\b", known)} == set()


def test_every_target_of_make_is_explained() -> None:
    [phony] = re.findall(r"^\.PHONY: (.*)", code("Makefile"), re.MULTILINE)
    for target in set(phony.split()) - {"help"}:
        assert f"make {target}" in DOCUMENTS + code("Makefile", ".github/"), target


def test_ports_agree() -> None:
    table = re.findall(r"^\| (`\w+`.*?) \|.*\| (\d+) \|$", code("docs/docker.md"), re.MULTILINE)
    documented = {re.findall(r"`(\w+)`", names)[0]: port for names, port in table}
    published = {name: each["ports"][0] for name, each in services().items() if "ports" in each}
    assert documented.keys() == published.keys()
    for name, port in published.items():
        outside, inside = re.fullmatch(r"127\.0\.0\.1:\$\{(\w+:-\d+)\}:(\d+)", port).groups()  # type: ignore[union-attr]
        variable, _, default = outside.partition(":-")
        assert example()[variable] == default == documented[name] == inside, name
        assert inside in re.findall(r"\d+", str(services()[name]["command"])), name
    server, files = int(documented["server"]), int(documented["reports"])
    assert f"${{PORT:-{server}}}" in code("infra/local/prefect.sh")
    assert files == server + 1  # FILES_PORT of infra/local/prefect.sh


def test_images_agree() -> None:
    """Dockerfile, Compose, Kubernetes and the registry mean one image of one version."""
    assert f"ARG VERSION={PROJECT['version']}" in code("infra/docker/Dockerfile")
    for each in services().values():
        if each["image"].startswith("dvdgan"):
            assert f"${{DVDGAN_VERSION:-{PROJECT['version']}}}" in each["image"]
    assert f"DVDGAN_IMAGE_SUFFIX=-{torch_build()}" in code("infra/docker/compose.gpu.yaml")
    assert re.search(r'name += "\$\{var\.name\}/dvdgan"', code("infra/terraform/registry.tf"))
    pinned = re.findall(r"UV_VERSION\s*:?=\s*([\d.]+)", code("Makefile", "infra/docker/Dockerfile"))
    assert len(pinned) == 2
    assert len(set(pinned)) == 1


def test_services_and_buckets_of_compose_are_those_of_its_page() -> None:
    rows = re.findall(r"^\| (`.*?) \| (.*) \|.*\|$", code("docs/docker.md"), re.MULTILINE)
    documented = {name for names, _ in rows for name in re.findall(r"`(\w+)`", names)}
    assert documented == {name for name, each in services().items() if "profiles" not in each}
    made = services()["buckets"]["command"][2:]
    [row] = [what for names, what in rows if "`buckets`" in names]
    assert re.findall(r"`(\w+)`", row) == made


def test_deployments_are_those_of_their_page() -> None:
    listed = {f"{each}/{name}" for each, name in (name.split("/") for name in flows())}
    of_prefect_yaml = yaml.safe_load(code("prefect.yaml"))["deployments"]
    documented = set(re.findall(r"^\| `([\w-]+/[\w-]+)`", code("docs/prefect.md"), re.MULTILINE))
    assert documented <= listed
    assert {name.partition("/")[2] for name in documented} == {e["name"] for e in of_prefect_yaml}


def test_roles_and_buckets_of_terraform_are_those_of_its_page() -> None:
    page, terraform = code("docs/terraform.md"), code("infra/terraform/")
    [roles] = re.findall(r"roles = toset\(\[(.*)\]\)", terraform)
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == re.findall(r"\w+", roles)
    [buckets] = re.findall(r"default += \{ (raw.*) \}", terraform)
    for bucket in re.findall(r"(\w+) =", buckets):
        assert f"`{bucket}`" in page


def test_pods_use_accounts_that_have_a_role() -> None:
    """Service accounts of Kubernetes get the role of Terraform that has their name."""
    used = set(re.findall(r"serviceAccountName: ([\w-]+)", code("infra/kubernetes/")))
    roles = set(re.findall(r"\w+", re.findall(r"roles = toset\(\[(.*)\]\)", code("infra/"))[0]))
    made = re.findall(
        r"kind: ServiceAccount\nmetadata:\n  name: ([\w-]+)", code("infra/kubernetes/")
    )
    assert used <= roles | set(made)
