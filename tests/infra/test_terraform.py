"""infra/terraform, parsed: references lead somewhere, variables are checked, buckets are safe.

No terraform is here, so nothing is planned or applied.
"""

import functools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "infra/terraform"
FILES = sorted(FOLDER.glob("*.tf"))
ROOTS = ("var", "local", "each", "path")


def unquoted(value: Any) -> Any:
    """python-hcl2 keeps the quotes of labels and strings."""
    if isinstance(value, dict):
        return {key.strip('"'): unquoted(each) for key, each in value.items()}
    if isinstance(value, list):
        return [unquoted(each) for each in value]
    return value.strip('"') if isinstance(value, str) else value


@functools.cache
def parsed() -> list[dict[str, Any]]:
    """Every file."""
    return [unquoted(hcl2.loads(path.read_text("utf-8"))) for path in FILES]


def blocks(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and body of every variable, output or local; TYPE.NAME of every resource."""
    for file in parsed():
        for each in file.get(kind, []):
            for name, body in each.items():
                if kind != "resource":
                    yield name, body
                    continue
                for label, inner in body.items():
                    if label != "__is_block__":
                        yield f"{name}.{label}", inner


def text() -> str:
    """All code, without comments and descriptions."""
    lines = "\n".join(path.read_text("utf-8") for path in FILES).splitlines()
    return "\n".join(line for line in lines if not re.match(r"\s*(#|description\b)", line))


def test_every_reference_leads_to_something_and_everything_is_used() -> None:
    code = text()
    assert set(re.findall(r"\bvar\.(\w+)", code)) == dict(blocks("variable")).keys()
    local = {name for name, _ in blocks("locals") if not name.startswith("__")}
    assert set(re.findall(r"\blocal\.(\w+)", code)) == local
    assert set(re.findall(r"\b(aws_\w+\.\w+)", code)) <= dict(blocks("resource")).keys()


def test_templates_exist_and_get_their_values() -> None:
    used = set(re.findall(r'policies/([^"]+)"', text()))
    roles = set(re.findall(r"roles = toset\(\[(.*)\]\)", text())[0].replace('"', "").split(", "))
    assert used == {"bucket.json", "${each.key}.json"}
    assert {path.stem for path in (FOLDER / "policies").iterdir()} == roles | {"bucket"}


def test_variables_have_a_type_a_description_and_a_check() -> None:
    for name, body in blocks("variable"):
        assert body["type"], name
        assert body["description"].endswith("."), name
        for check in body["validation"]:
            assert f"var.{name}" in check["condition"]
            assert name in check["error_message"]


def test_outputs_are_described() -> None:
    outputs = dict(blocks("output"))
    assert outputs
    assert all(body["description"] for body in outputs.values())


def test_every_bucket_is_versioned_encrypted_private_and_cleaned() -> None:
    resources = dict(blocks("resource"))
    parts = {
        *("versioning", "server_side_encryption_configuration", "public_access_block"),
        *("ownership_controls", "policy", "lifecycle_configuration"),
    }
    for part in parts:
        assert resources[f"aws_s3_bucket_{part}.store"]["for_each"] == "${aws_s3_bucket.store}"
    access = resources["aws_s3_bucket_public_access_block.store"]
    assert [value for key, value in access.items() if re.match("block|ignore|restrict", key)] == (
        [True] * 4
    )
    assert "abort_incomplete_multipart_upload" in str(
        resources["aws_s3_bucket_lifecycle_configuration.store"]
    )


def test_the_provider_is_pinned() -> None:
    assert re.search(r'source  = "hashicorp/aws"\n\s+version = "\d+\.\d+\.\d+"', text())


@pytest.mark.parametrize(
    "name", ["terraform.tfstate", "terraform.tfvars", "backend.hcl", "a.tfplan"]
)
def test_git_takes_no_state_and_no_values(name: str) -> None:
    done = subprocess.run(["git", "check-ignore", "--quiet", name], cwd=FOLDER, check=False)
    assert done.returncode == 0
