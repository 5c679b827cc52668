"""The Docker Engine that the sandbox uses; one is started where none answers."""

import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lgtm_deploy.core.errors import MissingToolError, UsageError
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.sandbox import bridge, child
from lgtm_deploy.sandbox.files import locked, read_json, write_json
from lgtm_deploy.sandbox.home import Home
from lgtm_deploy.sandbox.leftovers import end_leftovers
from lgtm_deploy.sandbox.progress_limit import ProgressLimit

if TYPE_CHECKING:
    import docker

MIRROR_VARIABLE = "LGTM_DEPLOY_SANDBOX_REGISTRY_MIRROR"
DEFAULT_SOCKET = "unix:///var/run/docker.sock"
# The longest pause in which an engine that runs does nothing. One whose process has ended is not waited for.
START_SECONDS = 180.0
RELOAD_SECONDS = 10.0
STOP_SECONDS = 20.0
# One that was killed refuses at once; one on a busy machine takes its time.
_ANSWER_SECONDS = 15
# Of the 107 bytes, containerd and libnetwork take up to 60 below it.
_LONG = 40


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A Docker Engine that answers. `own` is true for one that the sandbox started."""

    docker_host: str
    own: bool

    def client(self) -> "docker.DockerClient":
        """A client of it."""
        return client_of(self.docker_host)


def client_of(docker_host: str, *, timeout: int = 120) -> "docker.DockerClient":
    """A client of the engine at that address; DOCKER_TLS_VERIFY and DOCKER_CERT_PATH are honoured."""
    import docker  # noqa: PLC0415 - 0.2 s that only some verbs need

    return docker.from_env(timeout=timeout, environment={**os.environ, "DOCKER_HOST": docker_host})


def find_engine(home: Home, environment: Mapping[str, str] = os.environ) -> Engine | None:
    """The engine that the sandbox started, else the user's own, where it answers."""
    mine = _own_address(home)
    if mine and _running(home) and answers(mine):
        return Engine(docker_host=mine, own=True)
    for address in (environment.get("DOCKER_HOST"), DEFAULT_SOCKET):
        if address and answers(address):
            return Engine(docker_host=address, own=False)
    return None


def ensure_engine(home: Home, progress: Progress) -> Engine:
    """An engine that answers; one of the sandbox's own is started where there is none.

    Raises MissingToolError when there is none and none can be started.
    """
    with locked(home.path / "engine.lock", progress, "waiting for the Docker Engine to start"):
        found = find_engine(home)
        if found:
            _apply_mirror(home, found, progress)
            return found
        with locked(bridge.INTERFACES, progress, "waiting for another Docker Engine to start"):
            return _start(home, progress)


def answers(docker_host: str) -> bool:
    """Whether a Docker Engine answers at that address."""
    if docker_host.startswith("unix://") and not Path(docker_host.removeprefix("unix://")).exists():
        return False
    try:
        import docker  # noqa: PLC0415 - 0.2 s that only some verbs need

        environment = {**os.environ, "DOCKER_HOST": docker_host}
        with closing(docker.from_env(timeout=_ANSWER_SECONDS, environment=environment)) as client:
            return bool(client.ping())
    except Exception:  # noqa: BLE001,RUF100 - whatever is wrong with it, it does not answer
        return False


@contextmanager
def engine_held(home: Home, progress: Progress) -> Iterator[Engine]:
    """An engine that is not stopped while the block runs, whatever sandboxes come and go."""
    # One process may hold it more than once.
    hold = _holds(home) / f"{os.getpid()}-{secrets.token_hex(4)}"
    child.record_self(hold)
    try:
        yield ensure_engine(home, progress)
    finally:
        hold.unlink(missing_ok=True)
        stop_idle_engine(home, progress)


def stop_idle_engine(home: Home, progress: Progress) -> None:
    """Stop the engine that the sandbox started, unless a sandbox runs or somebody holds it.

    One that was killed is cleared away in any case.
    """
    with locked(home.path / "engine.lock", progress):
        holds = list(_holds(home).glob("*")) if _holds(home).is_dir() else []
        was_killed = _own_address(home) is not None and _running(home) is None
        if was_killed or not any(child.recorded(each) for each in (*holds, *(each.process for each in home.places()))):
            stop_engine(home, progress)


def stop_engine(home: Home, progress: Progress) -> None:
    """Stop the engine that the sandbox started, if any, and remove its socket folder and its bridge.

    What one that was killed left running is ended.
    """
    running = _running(home)
    if running:
        progress("stopping the Docker Engine")
        running.stop(STOP_SECONDS, progress)
    found = read_json(_settings(home)) or {}
    if found.get("run"):
        end_leftovers(Path(found["run"]), home.engine / "data", progress)
        shutil.rmtree(found["run"], ignore_errors=True)
    if found.get("bridge"):
        with suppress(OSError):
            bridge.delete(found["bridge"])
    _settings(home).unlink(missing_ok=True)
    _record(home).unlink(missing_ok=True)


def registry_mirror(environment: Mapping[str, str] = os.environ) -> str:
    """Return the pull-through cache that an engine of the sandbox's own asks before Docker Hub; '' for none."""
    return environment.get(MIRROR_VARIABLE, "")


def daemon_settings(mirror: str) -> dict[str, list[str]]:
    """Return dockerd's settings with that mirror (https://docs.docker.com/docker-hub/image-library/mirror/)."""
    if not mirror:
        return {}
    settings = {"registry-mirrors": [mirror]}
    address = urlsplit(mirror)
    return settings | ({"insecure-registries": [address.netloc]} if address.scheme == "http" else {})


def _apply_mirror(home: Home, engine: Engine, progress: Progress) -> None:
    """Have an engine that runs already use the mirror that was chosen. Raise UsageError when it does not take it."""
    mirror = registry_mirror()
    if not mirror:
        return
    if not engine.own:
        progress(f"{MIRROR_VARIABLE} is not used: the Docker Engine at {engine.docker_host} has its own settings")
        return
    wanted, file = daemon_settings(mirror), home.engine / "daemon.json"
    running = _running(home)
    if read_json(file) == wanted or running is None:
        return
    write_json(file, wanted)
    # dockerd reads its mirrors again at SIGHUP (https://docs.docker.com/reference/cli/dockerd/).
    running.signal(signal.SIGHUP)
    begun = time.monotonic()
    with closing(engine.client()) as client:
        while [each.rstrip("/") for each in client.info()["RegistryConfig"]["Mirrors"]] != [mirror.rstrip("/")]:
            progress("")
            if time.monotonic() - begun > RELOAD_SECONDS:
                raise UsageError(
                    f"The Docker Engine does not take the registry mirror '{mirror}'.",
                    resolution=f"Correct {MIRROR_VARIABLE}: such as http://127.0.0.1:5000, without a path.",
                )
            time.sleep(0.1)


def _start(home: Home, progress: Progress) -> Engine:
    program = shutil.which("dockerd") or shutil.which("dockerd", path="/usr/sbin:/sbin:/usr/local/sbin")
    if program is None or os.geteuid() != 0:
        raise MissingToolError(
            "No Docker Engine answers"
            + (", and dockerd is not installed." if program is None else ", and only root can start dockerd."),
            resolution="Install Docker (Debian, Ubuntu: `apt-get install docker.io`) and start it, or set DOCKER_HOST.",
        )
    stop_engine(home, progress)
    progress("starting a Docker Engine")
    # Unix socket paths are limited to 107 bytes, and checkouts can be deep.
    temporary = Path(tempfile.gettempdir())
    run = Path(tempfile.mkdtemp(prefix="lgtm-", dir=temporary if len(str(temporary)) < _LONG else "/tmp"))  # noqa: S108
    name = f"lgtm{home.identity}"
    write_json(_settings(home), {"run": str(run), "bridge": name})
    try:
        bridge.create(name)
    except OSError as error:
        raise MissingToolError(
            f"No network bridge for a Docker Engine can be made: {error}.", resolution="Start a Docker Engine yourself."
        ) from error
    child.start(
        _command(program, home, run, name),
        record=_record(home),
        log=home.engine / "log",
        environment=_environment(),
        directory=home.engine,
    )
    return _await(home, f"unix://{run}/docker.sock", progress)


def _command(program: str, home: Home, run: Path, name: str) -> list[str]:
    write_json(home.engine / "daemon.json", daemon_settings(registry_mirror()))
    return [
        program,
        # Not /etc/docker/daemon.json: its roots and addresses are the user's.
        f"--config-file={home.engine / 'daemon.json'}",
        f"--data-root={home.engine / 'data'}",
        f"--exec-root={run / 'exec'}",
        f"--host=unix://{run}/docker.sock",
        f"--pidfile={run / 'pid'}",
        f"--containerd-namespace=lgtm-{home.identity}",
        f"--containerd-plugins-namespace=lgtm-plugins-{home.identity}",
        f"--bridge={name}",
        # The machine's firewall and routing stay as they are: tasks are only reached from this machine.
        "--iptables=false",
        "--ip6tables=false",
        "--ip-masq=false",
        "--ip-forward=false",
    ]


def _environment() -> dict[str, str]:
    path = os.environ.get("PATH", "")
    kept = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "TMPDIR")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "PATH": f"{path}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin",
    }


def _await(home: Home, address: str, progress: Progress) -> Engine:
    limit = ProgressLimit(START_SECONDS)
    while not answers(address):
        progress("")
        limit.observe(child.signs_of_work(_record(home), home.engine / "log"))
        if limit.has_passed or _running(home) is None:
            said = child.last_lines(home.engine / "log", 3)
            stop_engine(home, progress)
            raise MissingToolError(
                f"The Docker Engine did not start: {said}",
                resolution=f"See {home.engine / 'log'}, or start a Docker Engine yourself.",
            )
        time.sleep(0.1)
    return Engine(docker_host=address, own=True)


def _own_address(home: Home) -> str | None:
    found = read_json(_settings(home))
    return f"unix://{found['run']}/docker.sock" if found else None


def _running(home: Home) -> child.Child | None:
    return child.recorded(_record(home))


def _holds(home: Home) -> Path:
    return home.path / "holds"


def _settings(home: Home) -> Path:
    return home.engine / "engine.json"


def _record(home: Home) -> Path:
    return home.engine / "dockerd.pid"
