"""Prefect with a server of its own on SQLite: one flow, steps handed to threads."""

import os
import sys
import time

os.environ.update(
    PREFECT_HOME=f"{sys.argv[2]}/prefect",
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE="true",
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="60",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    PREFECT_LOGGING_LEVEL="CRITICAL",
    DO_NOT_TRACK="1",
)
os.environ.pop("PREFECT_API_URL", None)

from prefect import flow, task
from prefect.task_runners import ThreadPoolTaskRunner
from workload import STEPS, tell, work


@task
def step(name):
    work(name)


@flow(task_runner=ThreadPoolTaskRunner(max_workers=4))
def run():
    began = time.perf_counter()
    handed = {}
    for name, needs, _ in STEPS:
        handed[name] = step.submit(name, wait_for=[handed[need] for need in needs])
    for each in handed.values():
        each.wait()
    return time.perf_counter() - began


tell(run())
