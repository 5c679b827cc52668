"""`wget` as Grafana's image has it, for container health checks: `wget -q -O /dev/null URL`, `wget --spider URL`."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

SECONDS = 10.0


def main(arguments: list[str]) -> int:
    """Ask the URL; 0: its answer is below 400, else 1, as BusyBox's wget exits."""
    url = next((each for each in arguments if each.startswith("http://")), "")
    if not url:
        sys.stderr.write("wget: this stand-in takes an http:// URL only\n")
        return 1
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=SECONDS) as answer:
            answer.read()
    except (OSError, urllib.error.URLError) as error:
        sys.stderr.write(f"wget: {error}\n")
        return 1
    return 0


def run(arguments: list[str]) -> None:
    """Run and exit."""
    raise SystemExit(main(arguments))
