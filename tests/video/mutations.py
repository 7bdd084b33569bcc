"""Seeded damage to video files: flipped bits, cut ends, swapped parts, sizes that lie."""

import re
from itertools import pairwise
from random import Random

# What begins a part, by the first bytes of the file: boxes, chunks, elements, blocks.
PARTS = {
    b"\0\0": rb"....(?:ftyp|free|moov|mvhd|trak|tkhd|edts|mdia|mdhd|hdlr|minf|vmhd|dinf|stbl|"
    rb"stsd|avc1|avcC|stts|stss|ctts|stsc|stsz|stco|udta|mdat)",
    b"RI": rb"LIST|avih|strh|strf|JUNK|movi|00dc|idx1",
    b"\x1aE": rb"\x18\x53\x80\x67|\x1f\x43\xb6\x75|\x11\x4d\x9b\x74|\x15\x49\xa9\x66|"
    rb"\x16\x54\xae\x6b|\x1c\x53\xbb\x6b|\xa3|\xae|\xe0",
    b"GI": rb"\x21\xf9\x04|\x2c\0\0|\x21\xff",
}
EXTREMES = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\0\0\x40\0",
)


def mutated(content: bytes, random: Random) -> bytes:
    """``content`` with damage of a kind that ``random`` draws."""
    kind = random.choice((flip, flip, flip_header, cut, swap, drop, repeat, overstate, zero))
    return kind(content, random)


def flip(content: bytes, random: Random, reach: int | None = None) -> bytes:
    out = bytearray(content)
    for _ in range(random.choice((1, 2, 8, 64))):
        out[random.randrange(min(reach or len(out), len(out)))] ^= 1 << random.randrange(8)
    return bytes(out)


def flip_header(content: bytes, random: Random) -> bytes:
    return flip(content, random, reach=800)


def cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(1, len(content))]


def swap(content: bytes, random: Random) -> bytes:
    parts = _parts(content)
    one, other = random.randrange(len(parts)), random.randrange(len(parts))
    parts[one], parts[other] = parts[other], parts[one]
    return b"".join(parts)


def drop(content: bytes, random: Random) -> bytes:
    parts = _parts(content)
    del parts[random.randrange(len(parts))]
    return b"".join(parts)


def repeat(content: bytes, random: Random) -> bytes:
    parts = _parts(content)
    at = random.randrange(len(parts))
    return b"".join([*parts[:at], *[parts[at]] * random.choice((2, 20)), *parts[at + 1 :]])


def overstate(content: bytes, random: Random) -> bytes:
    """Sizes, counts and dimensions in a header become as large or as small as they can be."""
    out = bytearray(content)
    for _ in range(random.choice((1, 4))):
        value = random.choice(EXTREMES)[: random.choice((2, 4))]
        at = random.randrange(min(1200, len(out) - 4))
        out[at : at + len(value)] = value
    return bytes(out)


def zero(content: bytes, random: Random) -> bytes:
    begin = random.randrange(len(content))
    end = min(len(content), begin + random.choice((16, 512, len(content))))
    return content[:begin] + bytes(end - begin) + content[end:]


def _parts(content: bytes) -> list[bytes]:
    pattern = re.compile(PARTS[content[:2]], re.DOTALL)
    starts = sorted({0, *(match.start() for match in pattern.finditer(content)), len(content)})
    return [content[begin:end] for begin, end in pairwise(starts)]
