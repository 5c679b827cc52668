"""The standard library's sorter and thread pool, and nothing written down: what a run costs at the least."""

import time
from concurrent.futures import ThreadPoolExecutor
from graphlib import TopologicalSorter
from queue import SimpleQueue

from workload import NEEDS, tell, work

began = time.perf_counter()
sorter = TopologicalSorter(NEEDS)
sorter.prepare()
ended = SimpleQueue()


def job(name):
    work(name)
    ended.put(name)


with ThreadPoolExecutor(10) as workers:
    while sorter.is_active():
        for name in sorter.get_ready():
            workers.submit(job, name)
        sorter.done(ended.get())
tell(time.perf_counter() - began)
