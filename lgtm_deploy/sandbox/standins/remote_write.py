"""What did a remote write bring? A minimal decoder of its snappy block and of the protobuf inside."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class RemoteWriteError(ValueError):
    """The body is not a remote write request."""


class Sample(NamedTuple):
    """A value at a time, in seconds."""

    at: float
    value: float


def decode(body: bytes) -> list[tuple[dict[str, str], list[Sample]]]:
    """The series of a prompb.WriteRequest, compressed as one snappy block.

    Raises:
        RemoteWriteError: it is not one.
    """
    try:
        message = decompress(body)
        return [_series(content) for number, content in _fields(message) if number == 1 and isinstance(content, bytes)]
    except (IndexError, struct.error, UnicodeDecodeError, KeyError) as error:
        raise RemoteWriteError(f"cannot decode the write request: {error}") from error


def decompress(block: bytes) -> bytes:
    """A snappy block (github.com/google/snappy, format_description.txt)."""
    size, at = _varint(block, 0)
    out = bytearray()
    while at < len(block):
        tag = block[at]
        at += 1
        if tag & 3 == 0:
            length, at = _literal_length(block, tag >> 2, at)
            out += block[at : at + length]
            at += length
            continue
        length, offset, at = _copy(block, tag, at)
        if not 0 < offset <= len(out):
            raise RemoteWriteError("snappy: corrupt input")
        for _ in range(length):
            out.append(out[-offset])
    if len(out) != size:
        raise RemoteWriteError("snappy: corrupt input")
    return bytes(out)


def _literal_length(block: bytes, upper: int, at: int) -> tuple[int, int]:
    width = upper - 59
    if width <= 0:
        return upper + 1, at
    return int.from_bytes(block[at : at + width], "little") + 1, at + width


def _copy(block: bytes, tag: int, at: int) -> tuple[int, int, int]:
    if tag & 3 == 1:
        return (tag >> 2 & 7) + 4, (tag >> 5) << 8 | block[at], at + 1
    width = 2 if tag & 3 == 2 else 4  # noqa: PLR2004 - the format's tag
    return (tag >> 2) + 1, int.from_bytes(block[at : at + width], "little"), at + width


def _series(message: bytes) -> tuple[dict[str, str], list[Sample]]:
    labels: dict[str, str] = {}
    samples: list[Sample] = []
    for number, content in _fields(message):
        if not isinstance(content, bytes):
            continue
        inner = dict(_fields(content))
        if number == 1:
            labels[_text(inner[1])] = _text(inner.get(2, b""))
        elif number == 2:  # noqa: PLR2004 - prompb.TimeSeries.samples
            stamp = inner.get(2, 0)
            samples.append(Sample(at=_signed(stamp) / 1000, value=_double(inner.get(1, bytes(8)))))
    return labels, samples


def _text(content: int | bytes) -> str:
    return content.decode() if isinstance(content, bytes) else ""


def _double(content: int | bytes) -> float:
    return float(struct.unpack("<d", content)[0]) if isinstance(content, bytes) else 0.0


def _signed(content: int | bytes) -> int:
    number = content if isinstance(content, int) else 0
    return number - (1 << 64) if number >= 1 << 63 else number


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == _BYTES:
            width, at = _varint(message, at)
        elif wire in {_FIXED64, _FIXED32}:
            width = 8 if wire == _FIXED64 else 4
        else:
            raise RemoteWriteError(f"proto: illegal wireType {wire}")
        if at + width > len(message):
            raise RemoteWriteError("unexpected EOF")
        yield number, message[at : at + width]
        at += width


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, at
        shift += 7
