"""Ends what a Docker Engine that was killed leaves behind: containerd, containers that run on, and mounts."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lgtm_deploy.core.ports import Progress
from lgtm_deploy.sandbox import child

_PROCESSES = Path("/proc")
_GONE_SECONDS = 5.0


def end_leftovers(run: Path, data: Path, progress: Progress) -> None:
    """End containerd, its shims and the processes of its containers.

    `run` is the engine's folder of sockets, `data` its data root. No other engine's processes are touched: containerd
    and its shims name the folder, and the control group of a container's process ends with the container's ID.
    """
    found = [*_containerd(run), *_containers({each.name for each in (data / "containers").glob("*")})]
    if found:
        progress("ending what a Docker Engine that was killed left running")
    for each in found:
        each.signal(signal.SIGKILL)
    for each in found:
        each.wait_gone(_GONE_SECONDS, progress)
    unmount_below(run)


def unmount_below(folder: Path) -> None:
    """Unmount what a Docker Engine that was killed left mounted below the folder."""
    mounted = [line.split(" ")[1] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    for each in sorted((each for each in mounted if Path(each).is_relative_to(folder)), reverse=True):
        subprocess.run(["umount", "--lazy", each], check=False, capture_output=True)


def _containerd(run: Path) -> Iterator[child.Child]:
    for process in _all():
        with suppress(OSError, ValueError, IndexError):
            words = (process / "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
            if Path(words[0]).name.startswith("containerd") and any(each.startswith(f"{run}/") for each in words):
                yield _child(process)


def _containers(identifiers: set[str]) -> Iterator[child.Child]:
    for process in _all():
        with suppress(OSError, ValueError, IndexError):
            groups = (process / "cgroup").read_text(encoding="utf-8").split()
            # `…/docker/ID`, or `…/docker-ID.scope` where systemd makes the groups.
            names = {Path(each).name.removeprefix("docker-").removesuffix(".scope") for each in groups}
            if names & identifiers:
                yield _child(process)


def _all() -> Iterator[Path]:
    return (each for each in _PROCESSES.iterdir() if each.name.isdigit())


def _child(process: Path) -> child.Child:
    return child.of_stat((process / "stat").read_text(encoding="utf-8"))
