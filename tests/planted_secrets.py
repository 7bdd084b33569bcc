"""Credentials that the environment of a command holds, and where they are found afterwards."""

import base64
from pathlib import Path

SECRETS = ("AKIAPLANTEDKEYID0001", "planted/secret+access0002", "planted-session-0003")
PASSWORD, AUTH = "planted-password-0004", "planted-auth-0005"
VARIABLES = {
    "AWS_ACCESS_KEY_ID": SECRETS[0],
    "AWS_SECRET_ACCESS_KEY": SECRETS[1],
    "AWS_SESSION_TOKEN": SECRETS[2],
    "WANDB_API_KEY": "planted-wandb-0006",
    "MLFLOW_TRACKING_PASSWORD": "planted-mlflow-0007",
}


def planted() -> list[bytes]:
    """Every secret as it stands, and as HTTP's Authorization would hold it."""
    plain = [*VARIABLES.values(), PASSWORD, AUTH]
    pairs = [f"user:{each}" for each in (PASSWORD, AUTH)]
    encoded = [base64.b64encode(pair.encode()).decode() for pair in pairs]
    return [each.encode() for each in (*plain, *encoded)]


def found_in(content: bytes) -> list[bytes]:
    return [secret for secret in planted() if secret in content]


def found_below(folder: Path) -> dict[str, list[bytes]]:
    """The files below ``folder`` that hold a secret, hidden ones included."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    found = {str(path.relative_to(folder)): found_in(path.read_bytes()) for path in files}
    return {name: secrets for name, secrets in found.items() if secrets}
