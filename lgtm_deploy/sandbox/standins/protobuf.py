"""Reads snappy blocks and protobuf messages, as far as the stand-ins get them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

Value = int | bytes


def decompress(block: bytes) -> bytes:
    """Return the content of a snappy block (google/snappy, format_description.txt). Raises ValueError."""
    try:
        size, at = _varint(block, 0)
        out = bytearray()
        while at < len(block):
            tag, at = block[at], at + 1
            if tag & 3 == 0:
                width = max(0, (tag >> 2) - 59)
                length = int.from_bytes(block[at : at + width], "little") + 1 if width else (tag >> 2) + 1
                at += width
                out += block[at : at + length]
                at += length
                continue
            length = (tag >> 2 & 7) + 4 if tag & 3 == 1 else (tag >> 2) + 1
            width = (0, 1, 2, 4)[tag & 3]
            offset = int.from_bytes(block[at : at + width], "little") | ((tag >> 5) << 8 if width == 1 else 0)
            at += width
            if not 0 < offset <= len(out):
                raise ValueError("snappy: corrupt input")
            for _ in range(length):
                out.append(out[-offset])
    except IndexError as error:
        raise ValueError("snappy: corrupt input") from error
    if len(out) != size:
        raise ValueError("snappy: corrupt input")
    return bytes(out)


def fields(message: Value) -> Iterator[tuple[int, Value]]:
    """Yield the fields of a message: numbers as int, all else as bytes. Raises ValueError."""
    at, content = 0, message if isinstance(message, bytes) else b""
    try:
        while at < len(content):
            key, at = _varint(content, at)
            wire = key & 7
            if wire == 0:
                value, at = _varint(content, at)
                yield key >> 3, value
                continue
            if wire not in {1, 2, 5} or key < 8:  # noqa: PLR2004 - field numbers start at 1
                raise ValueError(f"proto: illegal wireType {wire}")
            width = {1: 8, 5: 4}.get(wire, 0)
            if wire == 2:  # noqa: PLR2004 - length-delimited
                width, at = _varint(content, at)
            if at + width > len(content):
                raise ValueError("unexpected EOF")
            yield key >> 3, content[at : at + width]
            at += width
    except IndexError as error:
        raise ValueError("unexpected EOF") from error


def record(message: Value) -> dict[int, Value]:
    """Return the fields of a message in which each occurs once."""
    return dict(fields(message))


def text(value: Value) -> str:
    """Return a field as a string."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def fixed(value: Value) -> int:
    """Return a fixed64 field as a number."""
    return int.from_bytes(value, "little") if isinstance(value, bytes) else value


def double(value: Value) -> float:
    """Return a double field."""
    return float(struct.unpack("<d", value)[0]) if isinstance(value, bytes) else 0.0


def spell(message: bytes) -> str:
    """Return a message as text, its times as decimal numbers: two messages that differ in times only are then alike."""
    try:
        found = list(fields(message))
    except ValueError:
        found = []
    if not found:
        return repr(message)
    parts = []
    for number, value in found:
        shown = str(value) if isinstance(value, int) else spell(value)
        if isinstance(value, bytes) and value.isascii() and value.decode("ascii").isprintable():
            shown = value.decode("ascii")
        elif isinstance(value, bytes) and len(value) == 8:  # noqa: PLR2004 - a fixed64: OTLP's times
            shown = str(fixed(value))
        parts.append(f"{number}:{shown}")
    return "{" + " ".join(parts) + "}"


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, at = content[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value, at
        shift += 7
