"""No credential of the environment, or of a URL in it, is printed or kept by any command."""

from collections.abc import Callable
from pathlib import Path

import boto3
from planted_secrets import PASSWORD, VARIABLES, found_below, found_in
from s3_server import s3_server
from warm_commands import WarmCommands

Copy = Callable[[str], Path]


def test_a_run_with_a_backup_keeps_and_prints_none(
    trained_copy: Copy, warm: WarmCommands, tmp_path: Path
) -> None:
    folder = trained_copy("secrets")

    def command(variables: dict[str, str], *words: str) -> tuple[int, bytes]:
        """Exit code and both streams of `dvdgan WORDS`."""
        process = warm.start(folder, "dvdgan", *words, **VARIABLES | variables)
        return process.wait(120), process.out.read_bytes() + process.err.read_bytes()

    with s3_server("runs") as address:
        variables = {
            "AWS_ENDPOINT_URL": address,
            "DVDGAN_BACKUP": "s3://runs/backup",
            "PREFECT_API_URL": f"http://user:{PASSWORD}@127.0.0.1:9/api",
        }
        code, output = command(variables, "check")
        assert code == 0, output
        # The run is finished: it is sent, and restored where it is lost.
        for _ in range(2):
            code, output = command(variables, "train")
            assert code == 0, output
            assert b"Prefect does not answer at http://***@127.0.0.1:9/api" in output
            assert found_in(output) == []
        for words in (["export"], ["sample", "--count", "1", "--write", str(tmp_path / "a.gif")]):
            code, output = command(variables, *words)
            assert code == 0, output
            assert found_in(output) == []
        wrong = {**variables, "DVDGAN_BACKUP": f"s3://user:{PASSWORD}@runs/backup?sig={PASSWORD}"}
        code, output = command(wrong, "train")
        assert code == 2
        assert b"must not contain credentials" in output
        assert found_in(output) == []
        bucket = boto3.resource("s3", endpoint_url=address).Bucket("runs")
        sent = [each.get()["Body"].read() for each in bucket.objects.all()]
        assert len(sent) > 5
        assert not any(map(found_in, sent))
    assert (tmp_path / "a.gif").is_file()
    assert found_below(tmp_path) == found_below(folder) == {}


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "log").write_text(f"http://user:{PASSWORD}@host", encoding="utf-8")
    assert found_below(tmp_path) == {".hidden/log": [PASSWORD.encode()]}
