"""A process that is in the middle of a trial: `python -m tests.adapters.trials IMAGE`. It says so, then waits."""

import sys
import time

from lgtm_deploy.adapters.docker import connect
from lgtm_deploy.adapters.docker_leavings import Identity
from lgtm_deploy.adapters.docker_probe import DockerProbe
from lgtm_deploy.core.ports import ContainerSpec
from lgtm_deploy.storage.process import Process, has_ended

if __name__ == "__main__":
    probe = DockerProbe(connect(), Identity(name=str(Process.this()), is_gone=has_ended))
    with probe.start(sys.argv[1], ContainerSpec(), 8080, lambda _: None):
        sys.stdout.write(f"{Process.this()}\n")
        sys.stdout.flush()
        time.sleep(60)
