"""What happened in the cloud, in order, for tests and benchmarks to read afterwards?"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any


class Records:
    """Appends one JSON object per line to a file and flushes it; safe to use from any thread."""

    def __init__(self, path: Path | None) -> None:
        """Open ``path`` for appending, or drop every record where it is None."""
        self._lock = threading.Lock()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8") if path else None

    def write(self, kind: str, **fields: Any) -> None:
        """Write one record; ``at`` is epoch seconds and never runs backwards within a file."""
        with self._lock:
            if self._file is None:
                return
            line = {"at": time.time(), "kind": kind, **fields}
            self._file.write(json.dumps(line, default=str) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file; later records are dropped."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
