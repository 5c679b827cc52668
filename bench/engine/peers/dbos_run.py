"""DBOS on SQLite: one durable workflow, each step a checkpoint.

Steps that sleep are asynchronous, so that they run side by side; the others one after the other, which is what it is
fastest at. With `kill` the process is killed in the middle; with `resume` DBOS goes on with that workflow.
"""

import asyncio
import os
import signal
import sys
import time

from dbos import DBOS, SetWorkflowID
from workload import FOLDER, NEEDS, SECONDS, SLEEPS, STEPS, done, tell, work

HOW = sys.argv[3] if len(sys.argv) > 3 else ""
RUN = "bench"
first = []

DBOS(
    config={
        "name": "bench",
        "system_database_url": f"sqlite:///{FOLDER}/dbos.sqlite",
        "log_level": "ERROR",
        "run_admin_server": False,
    }
)


@DBOS.step()
def step(name):
    first.append(time.time())
    if HOW == "resume":
        # All that is asked for is known.
        tell(0.0, first=first[0])
        os._exit(0)
    work(name)
    if HOW == "kill" and len(done) == len(STEPS) // 2:
        os.kill(os.getpid(), signal.SIGKILL)


@DBOS.workflow()
def one_by_one():
    for name, _, _ in STEPS:
        step(name)


@DBOS.step()
async def sleep(name):
    await asyncio.sleep(SECONDS[name])
    done.append(name)


@DBOS.workflow()
async def side_by_side():
    running = {}

    async def run(name):
        for need in NEEDS[name]:
            await running[need]
        await sleep(name)

    for name, _, _ in STEPS:
        running[name] = asyncio.ensure_future(run(name))
    await asyncio.gather(*running.values())


DBOS.launch()
began = time.perf_counter()
if HOW == "resume":
    DBOS.retrieve_workflow(RUN).get_result()
elif SLEEPS:
    asyncio.run(side_by_side())
else:
    with SetWorkflowID(RUN):
        one_by_one()
tell(time.perf_counter() - began)
os._exit(0)
