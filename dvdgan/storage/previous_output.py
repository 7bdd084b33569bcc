"""What DVC keeps of a stage's last output, which it removes before it runs the stage again."""

import sys
from pathlib import Path


def previous_output(path: Path) -> bytes | None:
    """The bytes of ``path`` as dvc.lock records it, from DVC's cache or else its remote.

    None if DVC does not track it, and, with a line on stderr, where it cannot be read.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc_data.index.index import DataIndexDirError

    try:
        data: bytes = DVCFileSystem(".").read_bytes(path.as_posix())
    except (FileNotFoundError, NotDvcRepoError):
        return None
    except (DvcException, DataIndexDirError, OSError, BotoCoreError, ClientError) as error:
        print(f"the previous {path} is not used: {error}", file=sys.stderr)
        return None
    return data
