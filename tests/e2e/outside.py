"""Command lines that cannot reach a task: as from outside the VPC."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lgtm_deploy.sandbox.connection import Connection
from lgtm_deploy.sandbox.engine import client_of

# It sets the rule, and takes it away when its input ends: also when the tests themselves were killed.
_GUARD = 'PATH=$PATH:/usr/sbin:/sbin; iptables -w -I OUTPUT "$@" && echo set && cat; iptables -w -D OUTPUT "$@"'
_LABEL = "lgtm-deploy.sandbox"


@contextmanager
def outside(connection: Connection) -> Iterator[int]:
    """Drops what processes of one group send to the sandbox's tasks; gives the group's id.

    The packets vanish, as they do where no route leads into a VPC. Everybody else, the load balancer's checks and the
    AWS endpoint on 127.0.0.1 are as before. It needs root and iptables, which Debian's docker.io depends on.
    """
    # Groups of users end at 65,533: nobody else has this one.
    group = 100_000 + os.getpid()
    rule = ["-d", ",".join(_subnets(connection)), "-m", "owner", "--gid-owner", str(group), "-j", "DROP"]
    guard = subprocess.Popen(
        ["sh", "-c", _GUARD, "sh", *rule],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert guard.stdout
        assert guard.stdout.readline() == "set\n", guard.communicate()[1]
        yield group
    finally:
        guard.communicate(timeout=20)
    assert guard.returncode == 0, "the rule is still there"


def connects(address: str, port: int, group: int | None) -> bool:
    """Whether a process of that group gets a connection."""
    words = ["timeout", "2", "bash", "-c", f"exec 3<>/dev/tcp/{address}/{port}"]
    return subprocess.run(words, group=group, stderr=subprocess.DEVNULL, check=False).returncode == 0


def _subnets(connection: Connection) -> Sequence[str]:
    """Of the networks in which tasks of sandboxes run, this one's among them."""
    client = client_of(connection.docker_host)
    try:
        tasks = client.api.containers(filters={"label": _LABEL})
        names = {name for task in tasks for name in task["NetworkSettings"]["Networks"]}
        # A list: networks of another test's tasks may end meanwhile.
        networks = [network for network in client.api.networks() if network["Name"] in names]
        subnets = {config["Subnet"] for network in networks for config in network["IPAM"]["Config"] or ()}
        return sorted(subnet for subnet in subnets if ":" not in subnet)
    finally:
        client.close()
