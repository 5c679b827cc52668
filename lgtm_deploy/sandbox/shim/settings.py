"""Which sandbox is this, and where does it answer?"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SANDBOX_LABEL = "lgtm-deploy.sandbox"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the environment says about this sandbox.

    Attributes:
        name: the sandbox's name; every container bears it as the label ``lgtm-deploy.sandbox``.
        gateway_port: the port of the AWS endpoint and of the registry.
        alb_port: the port of the load balancer's front door; None opens none.
        records: the JSONL file of records; None writes none.
        hosts: the folder of the tasks' ``/etc/hosts``; the Docker engine mounts from it.
        registry: ``host:port`` that ECR answers with and the Docker engine can reach.
        bind_host: the address that both ports listen on.
        awaited: ECR repositories that images are still pushed to, and images that the engine still gets; tasks wait.
    """

    name: str
    gateway_port: int
    alb_port: int | None
    records: Path | None
    hosts: Path
    registry: str
    bind_host: str
    awaited: frozenset[str] = frozenset()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; raises ValueError for a port that is not a number."""
        gateway_port = int(environment.get("GATEWAY_PORT", "4566"))
        alb_port = environment.get("SANDBOX_ALB_PORT")
        records = environment.get("SANDBOX_RECORDS")
        name = environment.get("SANDBOX_NAME", f"port-{gateway_port}")
        return cls(
            name=name,
            gateway_port=gateway_port,
            alb_port=int(alb_port) if alb_port else None,
            records=Path(records) if records else None,
            hosts=Path(environment.get("TMPDIR", tempfile.gettempdir())).absolute() / f"{name}-hosts",
            registry=environment.get("SANDBOX_REGISTRY") or f"127.0.0.1:{gateway_port}",
            bind_host=environment.get("BIND_HOST", "127.0.0.1"),
            awaited=frozenset(filter(None, environment.get("SANDBOX_AWAITED", "").split(","))),
        )

    @property
    def labels(self) -> dict[str, str]:
        """The Docker labels that everything this sandbox starts must bear."""
        return {SANDBOX_LABEL: self.name}
