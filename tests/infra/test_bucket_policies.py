"""infra/terraform/policies: each role may do what our code does in its place, and nothing else.

moto checks every request against the policy of the role whose keys signed it.
"""

import json
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from string import Template

import boto3
import pytest
from s3_server import s3_server

from dvdgan.errors import UserError
from dvdgan.storage.s3 import S3Store
from dvdgan.storage.s3_client import RetryPolicy

POLICIES = Path(__file__).resolve().parents[2] / "infra/terraform/policies"
BUCKETS = ("raw", "shards", "dvc", "backups", "models")
ROLES = ("preprocessor", "trainer", "evaluator", "reader")
PART = 5 << 20

# The buckets in which each role reads, writes (put, parts included), and removes.
READS = {
    "preprocessor": {"raw", "shards", "dvc"},
    "trainer": {"shards", "dvc", "backups"},
    "evaluator": {"shards", "dvc", "backups", "models"},
    "reader": {"dvc", "models"},
}
WRITES: dict[str, set[str]] = {
    "preprocessor": {"shards"},
    "trainer": {"backups"},
    "evaluator": {"models"},
    "reader": set(),
}
# DVC only adds to its remote.
ADDS: dict[str, set[str]] = {
    "preprocessor": {"dvc"},
    "trainer": {"dvc"},
    "evaluator": set(),
    "reader": set(),
}


def policy(role: str) -> str:
    """As terraform's templatefile writes it."""
    arns = {bucket: f"arn:aws:s3:::{bucket}" for bucket in BUCKETS}
    return Template((POLICIES / f"{role}.json").read_text("utf-8")).substitute(arns)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server("raw") as address:
        client = boto3.client("s3")
        for bucket in BUCKETS:
            if bucket != "raw":
                client.create_bucket(Bucket=bucket)
            client.put_object(Bucket=bucket, Key="there/small", Body=b"small")
            client.put_object(Bucket=bucket, Key="there/damaged", Body=b"damaged")
        yield address


def enforce(address: str, after: float) -> None:
    """Have moto check the requests that come after the next ``after``."""
    request = urllib.request.Request(f"{address}/moto-api/reset-auth", str(after).encode())
    request.add_header("Content-Type", "text/plain")
    urllib.request.urlopen(request).close()


@pytest.fixture(params=ROLES)
def role(
    request: pytest.FixtureRequest, server: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The environment is that of a machine with this role's keys."""
    iam, name = boto3.client("iam"), str(request.param)
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="buckets", PolicyDocument=policy(name))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    enforce(server, 0)
    try:
        yield name
    finally:
        enforce(server, float("inf"))


def may(action: Callable[[], object]) -> bool:
    """Whether ``action`` is not refused for lack of permission."""
    try:
        action()
    except UserError:
        return False
    return True


def test_a_role_does_its_work_and_nothing_else(role: str, tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(role.encode())  # what is there already is not sent again
    large.write_bytes(bytes(PART) + role.encode())
    for bucket in BUCKETS:
        store = S3Store(bucket, "there", policy=RetryPolicy(part_bytes=PART))
        reads, writes = bucket in READS[role], bucket in WRITES[role]
        found = {
            "list": may(store.keys),
            "read": may(partial(store.read_bytes, "small")),
            "read a range": may(partial(store.read, "small", 0, 2)),
            "write": may(partial(store.put, small, "new")),
            "write parts": may(partial(store.put, large, "large")),
            "remove": may(partial(store.delete, "damaged")),
        }
        adds = writes or bucket in ADDS[role]
        wanted = [reads, reads, reads, adds, adds, writes]
        assert list(found.values()) == wanted, (bucket, found)


def test_no_role_removes_versions_or_changes_a_bucket() -> None:
    """What is deleted or overwritten can be had back, whoever has a role's keys."""
    known = {"s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"}
    known |= {"s3:DeleteObject", "s3:ListBucketMultipartUploads"}
    for role in ROLES:
        statements = json.loads(policy(role))["Statement"]
        assert {action for each in statements for action in each["Action"]} <= known
        assert {each["Effect"] for each in statements} == {"Allow"}
