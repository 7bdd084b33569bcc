"""What a file is that no decoder of ours opens, and what to do about it."""

from pathlib import Path

HEAD_BYTES = 64

# How files begin that are taken for videos now and then.
PICTURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
}


def unopened(path: Path, recognised: bool, reason: str) -> str:
    """Why ``path`` cannot be opened, in words.

    ``recognised``: ffmpeg knows the format, and it is none that is read; else ``reason`` is
    ffmpeg's. Raises OSError.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        if b"ANIM" in head:
            return "animated WebP is not supported; docs/stages/index.md says how to convert it"
        return "a WebP picture, not a video"
    for start, name in PICTURES.items():
        if head.startswith(start):
            return f"a {name} picture, not a video"
    if recognised:
        return "its format is not supported; convert it: ffmpeg -i FILE -c:v ffv1 FILE.mkv"
    return f"not a readable video container ({reason})"
