"""The URL of a store -> the store."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from dvdgan.errors import UserError
from dvdgan.storage.folder import FolderStore
from dvdgan.storage.rate_limiter import RateLimiter
from dvdgan.storage.store import Store

FORMS = "s3://BUCKET/PREFIX, file:///FOLDER or the path of a folder"


def open_store(url: str, bytes_per_second: float | None = None) -> Store:
    """The store at `s3://BUCKET/PREFIX`, `file:///FOLDER` or a folder's path; sends no request.

    ``bytes_per_second``: upper limit of transfers, on average; None: no limit. S3's
    endpoint and credentials come from boto3's ordinary places (AWS_ENDPOINT_URL, ...).
    Raises UserError for any other URL.
    """
    limiter = RateLimiter(bytes_per_second)
    scheme, there, _ = url.partition("://")
    if not there:
        if not url:
            raise UserError("the URL of a store is empty", todo=f"write {FORMS}")
        return FolderStore(Path(url), limiter)
    parts = urlsplit(url)
    if scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        return FolderStore(Path(unquote(parts.path)), limiter)
    if "@" in parts.netloc or parts.query:
        raise UserError(
            f"{url}: the URL of a store must not contain credentials or a query",
            todo="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
        )
    if scheme == "s3" and parts.netloc:
        from dvdgan.storage.s3 import S3Store  # loading boto3 takes a second

        return S3Store(parts.netloc, parts.path.strip("/"), limiter)
    raise UserError(f"{url} is not the URL of a store", todo=f"write {FORMS}")
