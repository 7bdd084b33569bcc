"""Does a video file end before its container does? The container's own sizes say.

Bytes behind a container are allowed. Nothing can be known of bare H.264, HEVC and MPEG-4 streams,
of transport and program streams cut between two packets, and of live recordings cut between two
blocks or fragments: those state no size of the whole.
"""

import os
from collections.abc import Callable, Iterator
from typing import BinaryIO

# What a container states: a part of it, and the byte before which that part ends.
_Parts = Iterator[tuple[str, int]]


# Boxes that may begin an mp4, or hold frames or what is needed to read them.
BOXES = (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"sidx")

# The elements of Matroska that hold frames; the first two have no size in a live recording.
SEGMENT, CLUSTER = 0x18538067, 0x1F43B675
ELEMENTS = {SEGMENT: "its segment", CLUSTER: "its last cluster", 0xA0: "its last block"}
ELEMENTS[0xA3] = ELEMENTS[0xA0]

ASF_OBJECTS = (bytes.fromhex("3026b275"), bytes.fromhex("3626b275"), bytes.fromhex("90080033"))

# Transport packets begin with SYNC; cameras put four bytes before each.
SYNC = b"G"
TRANSPORT_PACKETS = ((0, 188), (4, 192))


def missing_part(file: BinaryIO) -> str | None:
    """In words with numbers: which part of its container ``file`` lacks; None if none is.

    Reads a few bytes here and there, and leaves the position of ``file`` anywhere.
    """
    size = file.seek(0, os.SEEK_END)
    walk = _walk_of(_read(file, 0, 512))
    for part, end in walk(file, size) if walk is not None else ():
        if end > size:
            return f"{part} runs to byte {end}, the file ends at byte {size}"
    return None


def _walk_of(head: bytes) -> Callable[[BinaryIO, int], _Parts] | None:
    """The walk over the container that begins with ``head``."""
    if head[4:8] in BOXES:
        return _boxes
    for magic, walk in WALKS.items():
        if head.startswith(magic):
            return walk
    for start, packet in TRANSPORT_PACKETS:
        if head[start : start + 1] == SYNC == head[start + packet : start + packet + 1]:
            return _transport_packets
    return None


def _read(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)


def _big(file: BinaryIO, position: int, count: int) -> int:
    return int.from_bytes(_read(file, position, count), "big")


def _little(file: BinaryIO, position: int, count: int) -> int:
    return int.from_bytes(_read(file, position, count), "little")


def _boxes(file: BinaryIO, size: int) -> _Parts:
    """ISO base media, QuickTime."""
    position = 0
    while position < size:
        length, kind = _big(file, position, 4), _read(file, position + 4, 4)
        if length == 1:
            length = _big(file, position + 8, 8)
        # 0: to the end of the file.
        if length < 8 or not (kind in BOXES or kind.isalnum()):
            return
        position += length
        if kind in BOXES:
            yield f"its {kind.decode()} box", position


def _elements(file: BinaryIO, size: int) -> _Parts:
    """Matroska, WebM: the segment; in a live recording, which has no size, its clusters' blocks."""
    position = 0
    while position < size:
        identifier, after = _variable_int(file, position, keep_marker=True)
        length, content = _variable_int(file, after, keep_marker=False)
        if identifier is None or after >= size:
            return
        if length is None:
            if identifier not in (SEGMENT, CLUSTER):
                return
            position = content
            continue
        position = content + length
        if identifier in ELEMENTS:
            yield ELEMENTS[identifier], position
        if identifier == SEGMENT:
            return


def _variable_int(file: BinaryIO, position: int, *, keep_marker: bool) -> tuple[int | None, int]:
    """An integer of EBML and the position after it; None if it is invalid or all ones."""
    first = _big(file, position, 1)
    count = 9 - first.bit_length()
    value = _big(file, position, count)
    ones = (1 << 7 * count) - 1
    if count > 8 or value & ones == ones:
        return None, position + count
    return value if keep_marker else value & ones, position + count


def _riff_chunks(file: BinaryIO, size: int) -> _Parts:
    """AVI, of one chunk or (OpenDML) several."""
    position = 0
    while (head := _read(file, position, 12))[:4] == b"RIFF" and head[8:11] == b"AVI":
        length = _little(file, position + 4, 4)
        if length in (0, 0xFFFFFFFF):  # never filled in
            return
        position += 8 + length
        # Some writers count the chunk's own header, or a padding byte that they leave out.
        yield "its RIFF chunk", position - 8
        position += position % 2


def _asf_objects(file: BinaryIO, size: int) -> _Parts:
    """ASF (WMV): header, data and index objects."""
    position = 0
    while position < size and _read(file, position, 4) in ASF_OBJECTS:
        length = _little(file, position + 16, 8)
        if length < 24:  # never filled in
            return
        position += length
        yield "its ASF object", position


def _flv_tags(file: BinaryIO, size: int) -> _Parts:
    position = _big(file, 5, 4) + 4
    while position < size and _big(file, position, 1) in (8, 9, 18):  # sound, pictures, data
        position += 11 + _big(file, position + 1, 3)
        yield "its last tag", position
        position += 4


def _mxf_footer(file: BinaryIO, size: int) -> _Parts:
    """MXF: where the first partition says that the last one begins."""
    length = _big(file, 16, 1)
    value = 17 + (length & 0x7F if length & 0x80 else 0)
    yield "its footer partition", _big(file, value + 24, 8)


def _program_packets(file: BinaryIO, size: int) -> _Parts:
    """MPEG program stream: its last packet or pack header."""
    begin = max(0, size - (1 << 17))  # more than a packet's 64 KiB
    tail = _read(file, begin, size - begin)
    at = len(tail)
    while (at := tail.rfind(b"\0\0\1", 0, at)) >= 0:
        kind = tail[at + 3 : at + 4]
        if kind == b"\xba":  # a pack header, of MPEG-2 or MPEG-1
            is_second = tail[at + 4 : at + 5] >= b"\x40"
            yield "its last pack header", begin + at + (14 if is_second else 12)
            return
        if kind > b"\xba":  # below are start codes inside a picture, and the end code
            length = int.from_bytes(tail[at + 4 : at + 6], "big")
            yield "its last packet", begin + at + 6 + length
            return


def _transport_packets(file: BinaryIO, size: int) -> _Parts:
    """MPEG transport stream: its last packet."""
    for start, packet in TRANSPORT_PACKETS:
        last = size - size % packet
        if _read(file, start, 1) == SYNC == _read(file, last + start, 1):
            yield "its last packet", last + packet


def _dv_frames(file: BinaryIO, size: int) -> _Parts:
    """DV: frames of 525 or 625 lines; richer profiles have multiples of their bytes."""
    frame = 144_000 if _big(file, 3, 1) & 0x80 else 120_000
    yield "its last frame", -(-size // frame) * frame


def _gif_blocks(file: BinaryIO, size: int) -> _Parts:
    position = 13 + _color_table(_big(file, 10, 1))
    while True:
        yield "its next block, or its trailer,", position + 1
        kind = _big(file, position, 1)
        if kind == 0x2C:  # an image
            position += 11 + _color_table(_big(file, position + 9, 1))
        elif kind == 0x21:  # an extension
            position += 2
        else:
            if kind != 0x3B:
                yield "its trailer", size + 1
            return
        while length := _big(file, position, 1):
            position += 1 + length
            yield "its last block", position + 1
        position += 1


def _color_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _png_chunks(file: BinaryIO, size: int) -> _Parts:
    """PNG, if it is animated."""
    if b"acTL" not in _read(file, 0, 512):
        return
    position, kind = 8, b""
    while kind != b"IEND":
        yield "its next chunk, or its last,", position + 12
        kind = _read(file, position + 4, 4)
        position += 12 + _big(file, position, 4)
        yield "its last chunk", position


def _ogg_pages(file: BinaryIO, size: int) -> _Parts:
    """Ogg: pages up to the last of every stream that begins."""
    position = 0
    unfinished: set[bytes] = set()
    while _read(file, position, 4) == b"OggS":
        header = _read(file, position, 27)
        yield "its last page", position + 27
        serial, flags = header[14:18], header[5]
        if flags & 2:
            unfinished.add(serial)
        if flags & 4:
            unfinished.discard(serial)
        lengths = _read(file, position + 27, header[26])
        position += 27 + header[26] + sum(lengths)
        yield "its last page", position
    if unfinished:
        yield "its next page", max(position, size) + 27


WALKS: dict[bytes, Callable[[BinaryIO, int], _Parts]] = {
    b"\x1a\x45\xdf\xa3": _elements,
    b"RIFF": _riff_chunks,
    bytes.fromhex("3026b275"): _asf_objects,
    b"FLV": _flv_tags,
    bytes.fromhex("060e2b34020501010d010201"): _mxf_footer,
    b"\0\0\1\xba": _program_packets,
    b"\x1f\x07\0": _dv_frames,
    b"GIF8": _gif_blocks,
    b"\x89PNG\r\n\x1a\n": _png_chunks,
    b"OggS": _ogg_pages,
}
