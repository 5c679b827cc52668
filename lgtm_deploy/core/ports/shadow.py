"""The temporary target group through which the load balancer asks new tasks, where nobody else can."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lgtm_deploy.core.ports.probes import Answer


@dataclass(frozen=True, kw_only=True)
class ShadowRequest:
    """A shadow target group that is wanted.

    `name` is unique in account and region. `like` is the ARN of the target group that it resembles in all but its
    health check, which asks `path`; `port` is where its targets listen. `tags` say whose it is.
    """

    name: str
    like: str
    path: str
    port: int
    load_balancer: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """A shadow target group that is there. `complete`: a listener rule leads to it, so its targets are checked."""

    arn: str
    complete: bool


class ShadowTargets(Protocol):
    """Makes, asks and removes shadow target groups. A target group that this tool has not made is never touched."""

    def feasible(self, load_balancer: str, count: int = 1) -> str:
        """Why that load balancer cannot have so many shadow target groups more; empty when it can. Changes nothing."""

    def find(self, name: str) -> Shadow | None:
        """The shadow target group of that name, or None."""

    def create(self, wanted: ShadowRequest) -> str:
        """Makes it and returns its ARN; one that an earlier run left under that name is replaced.

        Raises AlreadyExistsError when somebody else's target group has the name, NotFoundError (no such load balancer,
        no listener), InDoubtError when an answer is lost.
        """

    def ask(self, arn: str, address: str, port: int) -> Answer:
        """What the task at that address answered to the load balancer's last checks; it is registered when it is not.

        The body is not seen. Raises TransientError while the load balancer cannot tell, or when nothing answers it;
        NotFoundError when there is no such target group.
        """

    def remove(self, name: str) -> None:
        """Removes it with all that leads to it; nothing happens when it is not there.

        Raises TransientError while it is still in use: a removed rule takes a while to be gone everywhere.
        """
