"""Fetch a released zip, check its SHA-256, and take one program out of it.

    fetch_release.py URL SHA256 MEMBER DESTINATION

Only the standard library: it runs before anything is installed.
"""

import hashlib
import io
import sys
import urllib.request
import zipfile
from pathlib import Path

TIMEOUT_SECONDS = 60


def fetch_release(url: str, sha256: str, member: str, destination: Path) -> None:
    """Writes the program to `destination`, executable. Raises OSError, ValueError, KeyError, zipfile.BadZipFile."""
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - the caller's own address
        content = answer.read()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"its SHA-256 is {found}, and {sha256} was expected")
    program = zipfile.ZipFile(io.BytesIO(content)).read(member)
    destination.parent.mkdir(parents=True, exist_ok=True)
    fresh = destination.with_name(destination.name + ".new")
    fresh.write_bytes(program)
    fresh.chmod(0o755)
    fresh.replace(destination)


def main() -> int:
    """Exit code 1, with one line on stderr, when the release cannot be had."""
    url, sha256, member, destination = sys.argv[1:]
    try:
        fetch_release(url, sha256, member, Path(destination))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
