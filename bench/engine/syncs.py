"""How long this machine takes to append 200 bytes to a file and to have them on disk: `syncs.py - FOLDER`.

The median counts; a mean far above it tells that others write to the same disk.
"""

import json
import os
import sys
import time
from statistics import mean, median

APPENDS = 300

handle = os.open(f"{sys.argv[2]}/appended", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
taken = []
for _ in range(APPENDS):
    began = time.perf_counter()
    os.write(handle, b"x" * 200)
    os.fdatasync(handle)
    taken.append(time.perf_counter() - began)
print(json.dumps({"seconds": median(taken), "done": APPENDS, "peak": 0.0, "mean": mean(taken)}))
