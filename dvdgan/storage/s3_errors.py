"""Explains errors of S3 and of the connection to it: what is wrong, and what to do."""

import socket
from collections.abc import Iterator
from typing import NamedTuple

from botocore import exceptions
from botocore.exceptions import ClientError

from dvdgan.errors import UserError
from dvdgan.storage.store import StoreUnavailableError

MISSING = ("NoSuchKey", "NotFound", "404")
# Errors of status 400 that are not the fault of the request.
TRANSIENT = (
    "BadDigest",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "SlowDown",
    "Throttling",
    "TooManyRequests",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
)


class Reason(NamedTuple):
    """What is wrong, and what to do."""

    what: str
    todo: str


NO_BUCKET = Reason(
    "the bucket does not exist",
    "create it, or correct the URL (AWS_ENDPOINT_URL is the server's address)",
)
NO_KEY = Reason(
    "S3 rejects the credentials: it does not know this access key",
    "check AWS_ACCESS_KEY_ID or AWS_PROFILE, and whether AWS_ENDPOINT_URL is the server they "
    "belong to",
)
NO_SECRET = Reason(
    "S3 rejects the credentials: the secret key does not belong to the access key",
    "check AWS_SECRET_ACCESS_KEY and AWS_ACCESS_KEY_ID, or AWS_PROFILE",
)
EXPIRED = Reason(
    "S3 rejects the credentials: the session token has expired",
    "get new credentials (AWS_SESSION_TOKEN, `aws sso login`) and run the same command again",
)
NO_TOKEN = Reason(
    "S3 rejects the credentials: the session token is not valid",
    "set AWS_SESSION_TOKEN to the token of this access key, or unset it if the key has none",
)
DENIED = Reason(
    "access denied",
    "allow these credentials s3:GetObject and s3:ListBucket and, for writing, s3:PutObject, "
    "s3:DeleteObject and s3:AbortMultipartUpload; or use other credentials",
)
SKEWED = Reason(
    "the clock of this machine differs too much from the server's",
    "set the clock, for instance by NTP",
)
REGION = Reason("the bucket is in another region", "set AWS_DEFAULT_REGION to the bucket's region")
ARCHIVED = Reason("the object is archived", "restore it first (`aws s3api restore-object`)")
NOT_IMPLEMENTED = Reason(
    "the server does not support this request", "use a server that supports all of S3"
)
REASONS = {
    "NoSuchBucket": NO_BUCKET,
    "InvalidAccessKeyId": NO_KEY,
    "SignatureDoesNotMatch": NO_SECRET,
    "ExpiredToken": EXPIRED,
    "ExpiredTokenException": EXPIRED,
    "TokenRefreshRequired": EXPIRED,
    "InvalidToken": NO_TOKEN,
    "RequestTimeTooSkewed": SKEWED,
    "AuthorizationHeaderMalformed": REGION,
    "PermanentRedirect": REGION,
    "TemporaryRedirect": REGION,
    "IllegalLocationConstraintException": REGION,
    "301": REGION,
    "InvalidObjectState": ARCHIVED,
    "NotImplemented": NOT_IMPLEMENTED,
}
OTHERWISE = Reason(
    "S3 refuses the request", "check the URL, AWS_ENDPOINT_URL and AWS_DEFAULT_REGION"
)

NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
)
NO_CONFIGURATION = (
    exceptions.ProfileNotFound,
    exceptions.ConfigParseError,
    exceptions.ConfigNotFound,
    exceptions.InvalidConfigError,
    exceptions.InvalidRegionError,
    exceptions.InvalidRetryConfigurationError,
    exceptions.ParamValidationError,
)


def has_no_words(error: ClientError) -> bool:
    """Whether it answers HEAD, whose answers have no body and so no reason."""
    return code_of(error).isdecimal()


def code_of(error: ClientError) -> str:
    """S3's name for it, such as NoSuchBucket; of an answer to HEAD the status, such as 404."""
    return str(error.response["Error"].get("Code", ""))


def of_answer(error: ClientError, doing: str, where: str) -> Exception:
    """What to raise for an answer that is an error."""
    code, answer = code_of(error), error.response["ResponseMetadata"]
    status = answer.get("HTTPStatusCode", 500)
    if code in MISSING:
        return FileNotFoundError(f"cannot {doing}: it is not in {where}")
    if code == "InvalidRange":
        return ValueError(f"cannot {doing}: it is shorter ({where})")
    if (status >= 500 and code not in REASONS) or status in (412, 429) or code in TRANSIENT:
        return StoreUnavailableError(f"cannot {doing}: {error} ({where})")
    what, todo = REASONS.get(code, DENIED if status in (401, 403) else OTHERWISE)
    region = error.response["Error"].get("Region") or answer.get("HTTPHeaders", {}).get(
        "x-amz-bucket-region"
    )
    if REASONS.get(code) is REGION and region:
        what, todo = f"the bucket is in the region {region}", f"set AWS_DEFAULT_REGION={region}"
    return UserError(f"cannot {doing}: {what} ({error})", where=where, todo=todo)


def of_silence(error: Exception, doing: str, where: str) -> Exception:
    """What to raise where no answer came, or nothing could be asked."""
    if isinstance(error, NO_CREDENTIALS):
        return UserError(
            f"no credentials for S3: {error}",
            where=where,
            todo="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
        )
    if isinstance(error, NO_CONFIGURATION):
        todo = "correct the URL, the AWS_... variables or the files in ~/.aws"
        return UserError(f"cannot {doing}: {error}", where=where, todo=todo)
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return UserError(
            f"cannot {doing}: the server's TLS certificate is not trusted ({text})",
            where=where,
            todo="set AWS_CA_BUNDLE to the certificate file of the authority that signed it",
        )
    if "WRONG_VERSION_NUMBER" in text:
        return UserError(
            f"cannot {doing}: the server does not speak TLS ({text})",
            where=where,
            todo="use http:// in AWS_ENDPOINT_URL, or the server's https port",
        )
    return StoreUnavailableError(f"cannot {doing}: {text}{_advice(error)} ({where})")


def of_cause(error: Exception, doing: str, where: str) -> Exception:
    """What to raise for ``error`` of another client of S3, such as DVC's; itself if S3 or the
    connection to it is not its cause."""
    for cause in _causes(error):
        if isinstance(cause, ClientError):
            return of_answer(cause, doing, where)
        if isinstance(cause, exceptions.BotoCoreError):
            return of_silence(cause, doing, where)
    return error


def _advice(error: Exception) -> str:
    causes = list(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return ": the server's name cannot be resolved; check the network and AWS_ENDPOINT_URL"
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return ": the connection is refused; start the server, or correct AWS_ENDPOINT_URL"
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
