"""How long this machine takes to append 200 bytes to a file and to have them on disk: `syncs.py - FOLDER`.

The median counts; a mean far above it tells that others write to the same disk. `rested`: the median of appends that
come a while after the one before, as those of steps that sleep do. A disk that was left alone may take longer.
"""

import json
import os
import sys
import time
from statistics import mean, median

APPENDS = 300
RESTED = 5
REST = 0.3

handle = os.open(f"{sys.argv[2]}/appended", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def append(rest: float = 0.0) -> float:
    """Seconds of one append."""
    time.sleep(rest)
    began = time.perf_counter()
    os.write(handle, b"x" * 200)
    os.fdatasync(handle)
    return time.perf_counter() - began


taken = [append() for _ in range(APPENDS)]
rested = median(append(REST) for _ in range(RESTED))
print(json.dumps({"seconds": median(taken), "done": APPENDS, "peak": 0.0, "mean": mean(taken), "rested": rested}))
