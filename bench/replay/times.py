"""Times in requests: found in paths, texts and protobuf, and replaced."""

import base64
import datetime
import gzip
import re
from typing import Any

Json = dict[str, Any]

UNITS = (1, 10**3, 10**6, 10**9)
# Seconds; a number this near to the base time is a time.
RANGE = 400 * 86400
_NUMBER = re.compile(r"(?<!\d)[1-9]\d{9}(?:\d{3}|\d{6}|\d{9})?(?!\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d(%3A|:)\d\d(?:%3A|:)\d\dZ")
# Protobuf: a varint of seconds or milliseconds; nanoseconds as fixed64 after the keys of a span's times.
_BINARY = re.compile(rb"[\x80-\xff]{4,5}[\x01-\x7f]|(?<=[\x39\x41]).{7}[\x18\x19]", re.DOTALL)


def shifted(request: Json, base: int, by: int) -> Json:
    """Return a copy of a request. Its times, which are near `base` (Unix seconds), are moved by some seconds."""
    return _Shift(base, by).request(request)


def offsets(text: str, base: float) -> str:
    """Return a text in which each time is replaced by its distance to `base` in whole hours, and its unit."""

    def number(match: re.Match[str]) -> str:
        unit = unit_of(int(match[0]), base)
        return f"<{round((int(match[0]) / unit - base) / 3600):+d} h, {unit}>" if unit else match[0]

    def date(match: re.Match[str]) -> str:
        at = datetime.datetime.fromisoformat(match[0].replace("%3A", ":")).timestamp()
        return f"<{round((at - base) / 3600):+d} h, date>"

    return _DATE.sub(date, _NUMBER.sub(number, text))


def binary_offsets(data: bytes, base: float) -> bytes:
    """Return protobuf in which each time is replaced by its distance to `base` in whole hours."""

    def bits(match: re.Match[bytes]) -> bytes:
        value = _varint(match[0]) if _is_varint(match[0]) else int.from_bytes(match[0], "little")
        unit = unit_of(value, base)
        return f"<{round((value / unit - base) / 3600):+d} h>".encode() if unit else match[0]

    return _BINARY.sub(bits, data)


def unit_of(value: int, base: float) -> int:
    """Return how many of its units a time has in a second; 0 where the number is no time near `base`."""
    return next((unit for unit in UNITS if abs(value - base * unit) <= RANGE * unit), 0)


class _Shift:
    def __init__(self, base: int, by: int) -> None:
        self._base = base
        self._by = by

    def request(self, request: Json) -> Json:
        copy = {name: self._text(value) if name in ("path", "body") else value for name, value in request.items()}
        if "body_base64" in request:
            data = self._data(base64.b64decode(request["body_base64"]))
            copy["body_base64"] = base64.b64encode(data).decode()
        return copy

    def _number(self, value: int) -> int:
        return value + self._by * unit_of(value, self._base)

    def _date(self, match: re.Match[str]) -> str:
        moved = datetime.datetime.fromisoformat(match[0].replace("%3A", ":")) + datetime.timedelta(seconds=self._by)
        return f"{moved:%Y-%m-%dT%H:%M:%SZ}".replace(":", match[1])

    def _bits(self, match: re.Match[bytes]) -> bytes:
        if not _is_varint(match[0]):
            return self._number(int.from_bytes(match[0], "little")).to_bytes(8, "little")
        moved = self._number(_varint(match[0]))
        return bytes(moved >> 7 * place & 127 | byte & 128 for place, byte in enumerate(match[0]))

    def _text(self, value: str) -> str:
        return _DATE.sub(self._date, _NUMBER.sub(lambda match: str(self._number(int(match[0]))), value))

    def _data(self, value: bytes) -> bytes:
        if value.startswith(b"\x1f\x8b"):
            return gzip.compress(self._data(gzip.decompress(value)), mtime=0)
        try:
            return self._text(value.decode()).encode()
        except UnicodeDecodeError:  # protobuf; snappy may leave times as they are
            return _BINARY.sub(self._bits, value)


def _is_varint(data: bytes) -> bool:
    return all(byte & 128 for byte in data[:4])


def _varint(data: bytes) -> int:
    return sum((byte & 127) << 7 * place for place, byte in enumerate(data))
