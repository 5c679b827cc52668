"""doit, with results kept (dbm): it writes them when it ends."""

import time

from doit.cmd_base import ModuleTaskLoader
from doit.doit_cmd import DoitMain
from doit.tools import run_once
from workload import FOLDER, STEPS, tell, work


def task_s():
    for name, needs, _ in STEPS:
        yield {
            "name": name,
            "actions": [(work_at, [name])],
            "task_dep": [f"s:{need}" for need in needs],
            "uptodate": [run_once],
        }


def work_at(name):
    work(name)


CONFIG = {"verbosity": 0, "backend": "dbm", "dep_file": str(FOLDER / "doit.db"), "reporter": "zero"}
began = time.perf_counter()
DoitMain(ModuleTaskLoader({"task_s": task_s, "DOIT_CONFIG": CONFIG})).run(["run"])
tell(time.perf_counter() - began)
