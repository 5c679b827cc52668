"""How is a sandbox's cloud, the MiniStack process, started and stopped?"""

import http.client
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.sandbox import child
from lgtm_deploy.sandbox.engine import Engine
from lgtm_deploy.sandbox.home import PACKAGE, Home, Place
from lgtm_deploy.sandbox.ports import LOOPBACK, SandboxPorts
from lgtm_deploy.sandbox.progress_limit import ProgressLimit

# The longest pause in which a process that runs does nothing. One that has ended is not waited for.
START_SECONDS = 180.0
SAVE_SECONDS = 60.0
_HEALTH = "/_ministack/health"


@dataclass(frozen=True, kw_only=True)
class CloudSettings:
    """What the cloud is started with.

    `awaited` are the ECR repositories that images are still pushed to, and the names of stand-ins that are still made:
    tasks wait for such an image that is missing.
    """

    python: Path
    engine: Engine
    ports: SandboxPorts
    region: str
    account: str
    awaited: tuple[str, ...] = ()


def start_cloud(home: Home, place: Place, settings: CloudSettings, progress: Progress) -> None:
    """Starts the cloud on the state in the sandbox's folder and returns when it answers.

    Raises PermanentError with the end of its log when it does not.
    """
    for folder in (place.state, place.temporary, place.state / "s3"):
        folder.mkdir(parents=True, exist_ok=True)
    child.start(
        [str(settings.python), "-m", "shim"],
        record=place.process,
        log=place.log,
        environment=_environment(home, place, settings),
        directory=place.path,
    )
    limit = ProgressLimit(START_SECONDS)
    while not is_healthy(settings.ports.gateway):
        progress("")
        limit.observe(child.signs_of_work(place.process, place.log))
        if limit.has_passed or child.recorded(place.process) is None:
            kill_cloud(place, progress)
            raise PermanentError(
                f"The local AWS did not start: {child.last_lines(place.log, 3)}", resolution=f"See {place.log}."
            )
        time.sleep(0.1)


def save_and_stop_cloud(place: Place, progress: Progress) -> None:
    """Stops the cloud so that it writes its state into the sandbox's folder.

    Raises PermanentError when it does not leave in time, and so saved nothing.
    """
    running = child.recorded(place.process)
    if running and not running.stop(SAVE_SECONDS, progress):
        raise PermanentError("The local AWS did not save its state.", resolution=f"See {place.log}.")


def kill_cloud(place: Place, progress: Progress) -> None:
    """Ends the cloud at once; what it did not save is lost. Its containers are left to the engine's clean-up."""
    running = child.recorded(place.process)
    if running:
        running.kill(progress)
    place.process.unlink(missing_ok=True)


def wipe_state(place: Place) -> None:
    """Forgets what the cloud saved, what it recorded and what it logged."""
    for folder in (place.state, place.temporary):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (place.records, place.log):
        file.unlink(missing_ok=True)


def is_healthy(gateway: int) -> bool:
    """Whether the cloud answers on that port."""
    connection = http.client.HTTPConnection(LOOPBACK, gateway, timeout=2)
    try:
        connection.request("GET", _HEALTH)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _environment(home: Home, place: Place, settings: CloudSettings) -> dict[str, str]:
    # Not the caller's environment: HOSTNAME, for one, makes MiniStack believe that it is a container itself.
    kept = {name: os.environ[name] for name in ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH") if name in os.environ}
    return {
        **kept,
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        # Everything in that folder becomes importable by its bare name: no module there may be called like a package.
        "PYTHONPATH": str(PACKAGE),
        # Compiled once: MiniStack is 200,000 lines, and its installation is left as it is.
        "PYTHONPYCACHEPREFIX": str(home.path / "pycache"),
        "TMPDIR": str(place.temporary),
        "DOCKER_HOST": settings.engine.docker_host,
        "DOCKER_CONFIG": str(home.docker_config),
        "GATEWAY_PORT": str(settings.ports.gateway),
        "BIND_HOST": LOOPBACK,
        "MINISTACK_HOST": "localhost",
        # Marks its containers; the machine's own name would clash with another MiniStack on the same port number.
        "MINISTACK_HOSTNAME": place.label,
        "MINISTACK_ACCOUNT_ID": settings.account,
        "MINISTACK_REGION": settings.region,
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(place.state),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(place.state / "s3"),
        "ECS_RESTORE_RECONCILE_DELAY_SECONDS": "0",
        "SANDBOX_NAME": place.label,
        "SANDBOX_ALB_PORT": str(settings.ports.balancer),
        "SANDBOX_RECORDS": str(place.records),
        "SANDBOX_AWAITED": ",".join(settings.awaited),
    }
