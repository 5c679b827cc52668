"""Dask's threaded scheduler, which writes nothing down."""

import time

from dask.threaded import get
from workload import LAST, NEEDS, tell, work

began = time.perf_counter()
graph = {f"k{name}": (work, name, [f"k{need}" for need in needs]) for name, needs in NEEDS.items()}
get(graph, [f"k{name}" for name in LAST], num_workers=10)
tell(time.perf_counter() - began)
