"""One video -> one sample of a tar. Worker processes import this, so it stays light."""

import json
from typing import Any

from dvdgan.data.frame_pack import pack
from dvdgan.data.raw_root import RawRoot
from dvdgan.data.raw_video import video_of
from dvdgan.errors import UserError
from dvdgan.video.decode import VideoError
from dvdgan.video.image import encode_frame, resize_short_side, resized_shape


def encode_sample(
    row: dict[str, Any], root: RawRoot, short_side: int, quality: int
) -> dict[str, Any]:
    """The WebDataset sample of a row of the manifest: `__key__`, `frames` (frame_pack), `json`.

    Raises UserError if the video is no longer what the manifest says.
    """
    video = video_of(row)
    try:
        if video.sha256(root) != row["sha256"]:
            raise changed(row, root, "its bytes have changed since it was indexed")
        # One decoded frame in memory at a time; only the JPEGs of one video are held.
        jpegs = [
            encode_frame(resize_short_side(frame, short_side, row["sample_aspect"]), quality)
            for frame in video.frames(root, row["frames"])
        ]
    except (OSError, VideoError) as error:
        raise changed(row, root, str(error)) from error
    if len(jpegs) != row["frames"]:
        raise changed(
            row, root, f"{len(jpegs)} frames can be decoded, but {row['frames']} were indexed"
        )
    height, width = stored_shape(row, short_side)
    facts = {
        **{key: row[key] for key in ("id", "class", "label", "frames", "fps")},
        "width": width,
        "height": height,
    }
    return {
        "__key__": row["id"],
        "frames": pack(jpegs),
        "json": json.dumps(facts, sort_keys=True, ensure_ascii=False).encode(),
    }


def stored_shape(row: dict[str, Any], short_side: int) -> tuple[int, int]:
    """(height, width) of the stored frames of a row of the manifest."""
    return resized_shape(row["height"], row["width"], short_side, row["sample_aspect"])


def changed(row: dict[str, Any], root: RawRoot, why: str) -> UserError:
    """The error that names a video which is no longer what the manifest says."""
    name = video_of(row).name
    return UserError(
        f"the video {name!r} no longer matches the manifest: {why}",
        where=f"{root}/{name}",
        todo="run `dvdgan index` again",
    )
