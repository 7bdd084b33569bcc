"""What a file is that ffmpeg does not open as a video, and how it can be converted."""

HEAD_BYTES = 64

# The first bytes of files that are taken for videos now and then.
PICTURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
}


def why_unopened(head: bytes, recognised: bool, reason: str) -> str:
    """``head``: the first HEAD_BYTES of the file; ``recognised``: ffmpeg knows its format, but it
    is not one that is read; ``reason``: ffmpeg's message otherwise.
    """
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        if b"ANIM" in head:
            return "animated WebP is not supported; docs/stages/index.md shows how to convert it"
        return "a WebP picture, not a video"
    for start, name in PICTURES.items():
        if head.startswith(start):
            return f"a {name} picture, not a video"
    if recognised:
        return "its format is not supported; convert it: ffmpeg -i FILE -c:v ffv1 FILE.mkv"
    return f"not a readable video container ({reason})"
