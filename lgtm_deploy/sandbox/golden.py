"""What runs today, kept so that it need not be made again: a copy of the cloud's saved state."""

import base64
import hashlib
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from lgtm_deploy.sandbox.files import read_json, write_json
from lgtm_deploy.sandbox.home import Home, Place
from lgtm_deploy.sandbox.ports import LOOPBACK, SandboxPorts

KEPT = 3


def has_golden(home: Home, key: str) -> bool:
    """Whether there is a golden state of that key."""
    return _ports_file(home, key).exists()


def keep(home: Home, place: Place, key: str, ports: SandboxPorts) -> None:
    """Keeps the sandbox's saved state under that key; the oldest of many is dropped."""
    folder = home.golden / key
    fresh = folder.with_name(f"{key}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(place.state, fresh / "state")
    write_json(fresh / "ports.json", asdict(ports))
    drop(home, key)
    fresh.replace(folder)
    others = sorted(home.golden.iterdir(), key=lambda each: each.stat().st_mtime, reverse=True)
    for old in others[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


def drop(home: Home, key: str) -> None:
    """Forgets the golden state of that key."""
    shutil.rmtree(home.golden / key, ignore_errors=True)


def restore(home: Home, place: Place, key: str, ports: SandboxPorts) -> None:
    """Gives the sandbox a copy of the golden state, with its own ports for those it was made with."""
    shutil.rmtree(place.state, ignore_errors=True)
    shutil.copytree(home.golden / key / "state", place.state)
    made_with = SandboxPorts(**read_json(_ports_file(home, key)))
    if made_with != ports:
        rehome(
            place.state,
            {
                f"{LOOPBACK}:{made_with.gateway}": f"{LOOPBACK}:{ports.gateway}",
                f"{LOOPBACK}:{made_with.balancer}": f"{LOOPBACK}:{ports.balancer}",
                f"localhost:{made_with.gateway}": f"localhost:{ports.gateway}",
                f"localhost:{made_with.balancer}": f"localhost:{ports.balancer}",
            },
        )


def rehome(state: Path, addresses: Mapping[str, str]) -> None:
    """Replaces addresses in every file of a saved state, and the checksums of files that change by it.

    Terraform keeps its states as S3 objects with repository addresses in them, and the MD5 sum of each in its lock
    table; S3 keeps its ETag and the checksum that was sent with it. All ports have five digits, so no length changes.
    """
    sums: dict[bytes, bytes] = {}
    for path, content in _contents(state):
        moved = _replaced(content, {old.encode(): new.encode() for old, new in addresses.items()})
        if moved != content:
            sums.update(zip(_sums(content), _sums(moved), strict=True))
            path.write_bytes(moved)
    for path, content in _contents(state):
        summed = _replaced(content, sums)
        if summed != content:
            path.write_bytes(summed)


def _contents(folder: Path) -> list[tuple[Path, bytes]]:
    return [(path, path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()]


def _replaced(content: bytes, pairs: Mapping[bytes, bytes]) -> bytes:
    for old, new in pairs.items():
        content = content.replace(old, new)
    return content


def _sums(content: bytes) -> list[bytes]:
    """As S3 and Terraform write them: MD5 in hexadecimal, SHA-256 and CRC-32 in base 64."""
    return [
        hashlib.md5(content, usedforsecurity=False).hexdigest().encode(),
        base64.b64encode(hashlib.sha256(content).digest()),
        base64.b64encode(zlib.crc32(content).to_bytes(4, "big")),
    ]


def _ports_file(home: Home, key: str) -> Path:
    return home.golden / key / "ports.json"
