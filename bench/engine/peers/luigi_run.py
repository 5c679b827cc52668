"""Luigi with its local scheduler: a step is done when its file is there."""

import logging
import sys
import time

import luigi
from workload import FOLDER, LAST, NEEDS, tell, work

logging.getLogger("luigi").setLevel(logging.ERROR)
logging.getLogger("luigi-interface").setLevel(logging.ERROR)
sys.setrecursionlimit(100_000)


class Step(luigi.Task):
    name = luigi.Parameter()

    def requires(self):
        return [Step(name=need) for need in NEEDS[self.name]]

    def output(self):
        return luigi.LocalTarget(str(FOLDER / self.name))

    def run(self):
        work(self.name)
        with self.output().open("w") as out:
            out.write("done")


class All(luigi.WrapperTask):
    def requires(self):
        return [Step(name=name) for name in LAST]


began = time.perf_counter()
luigi.build([All()], local_scheduler=True, workers=1, log_level="ERROR", no_lock=True)
tell(time.perf_counter() - began)
