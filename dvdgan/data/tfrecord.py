"""Reads TFRecords without TensorFlow.

A record is its length (uint64, little-endian), the masked CRC-32C of those 8 bytes, the data, and
the masked CRC-32C of the data. The data are a tf.train.Example, a protocol buffer.
"""

import struct
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from dvdgan.storage.masked_crc32c import masked_crc32c

SUFFIXES = (".tfrecord", ".tfrecords")
HEAD = struct.Struct("<QI")
CHECKSUM = struct.Struct("<I")

# tf.train.Example as far as its byte strings go: a map is a list of pairs on the wire.
SCHEMA = {
    "name": "example.proto",
    "package": "tfrecord",
    "messageType": [
        {"name": "BytesList", "field": [{"name": "value", "number": 1, "type": "TYPE_BYTES"}]},
        {
            "name": "Feature",
            "field": [{"name": "bytes_list", "number": 1, "typeName": "BytesList"}],
        },
        {
            "name": "Pair",
            "field": [
                {"name": "key", "number": 1, "type": "TYPE_STRING"},
                {"name": "value", "number": 2, "typeName": "Feature"},
            ],
        },
        {
            "name": "Features",
            "field": [
                {"name": "feature", "number": 1, "typeName": "Pair", "label": "LABEL_REPEATED"}
            ],
        },
        {"name": "Example", "field": [{"name": "features", "number": 1, "typeName": "Features"}]},
    ],
    "syntax": "proto3",
}


class Span(NamedTuple):
    """The position of a record's data in its file, in bytes."""

    offset: int
    length: int


class DamagedRecordError(Exception):
    """A record whose bytes are not those that were written."""


def record_spans(read: Callable[[int, int], bytes], size: int) -> tuple[list[Span], str | None]:
    """The records of a file of ``size`` bytes, by their lengths alone, and what ends them early.

    ``read``: first byte and length -> those bytes; it is called once a record, for 12 bytes. Where
    a length is damaged the records after it cannot be found; the sentence says so.
    """
    spans: list[Span] = []
    at = 0
    while at < size:
        number = len(spans)
        if at + HEAD.size > size:
            return spans, f"the file ends within record {number}, at byte {size}"
        head = read(at, HEAD.size)
        length, checksum = HEAD.unpack(head)
        if masked_crc32c(head[:8]) != checksum:
            return (
                spans,
                f"record {number} and all following ones are lost: no record begins at {at}",
            )
        end = at + HEAD.size + length + CHECKSUM.size
        if end > size:
            return spans, f"the file ends within record {number}, at byte {size} of {end}"
        spans.append(Span(at + HEAD.size, length))
        at = end
    return spans, None


def read_record(read: Callable[[int, int], bytes], offset: int, length: int) -> bytes:
    """The data of the record at a Span. Raises DamagedRecordError."""
    content = read(offset, length + CHECKSUM.size)
    data = content[:length]
    [checksum] = CHECKSUM.unpack(content[length:])
    if masked_crc32c(data) != checksum:
        raise DamagedRecordError("the checksum of the record is wrong")
    return data


def byte_strings(data: bytes) -> dict[str, bytes]:
    """The byte-string features of a tf.train.Example by name. Raises DamagedRecordError."""
    from google.protobuf.message import DecodeError

    try:
        example = _example().FromString(data)
    except DecodeError as error:
        raise DamagedRecordError("the record is not a tf.train.Example") from error
    return {
        pair.key: pair.value.bytes_list.value
        for pair in example.features.feature
        if pair.value.HasField("bytes_list")
    }


@cache
def _example() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

    pool = descriptor_pool.DescriptorPool()
    pool.Add(json_format.ParseDict(SCHEMA, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tfrecord.Example"))
