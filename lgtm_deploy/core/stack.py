"""The stack: services, and the environments in which they run.

Most classes are also the shapes of the stack file, which pydantic checks (config/documents.py). A class whose name ends
in `Keys` has the fields that the file and the core have in common.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.methods import takes_post

UrlPath = Annotated[str, Field(pattern=r"^/\S*$")]
Seconds = Annotated[float, Field(gt=0, le=86400)]
# AWS: S3, general purpose bucket naming rules and safe characters of object keys.
StateLocation = Annotated[
    str, Field(pattern=r"^(local|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()-]+)*/?)$")
]


# The programs that `verify` and the smoke test know, and any other one.
ServiceKind = Literal["grafana", "mimir", "loki", "tempo", "pyroscope", "other"]


class _Keys:
    """Keys of the stack file. Unknown keys are errors: a typo must not be a silent default."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class Health(_Keys):
    """What the load balancer asks of a service once the committed change is out.

    `body` is a text the answer must hold: a status code alone can come from someone else's login page.
    `variable`, `matcher_variable` and `unhealthy_threshold_variable` are the Terraform variables that set the path, the
    matcher and the unhealthy threshold.
    """

    path: UrlPath
    body: str = ""
    variable: str = ""
    matcher_variable: str = ""
    unhealthy_threshold_variable: str = ""


@dataclass(frozen=True, kw_only=True)
class Paths(_Keys):
    """What a prefix does to a service's routes: P becomes prefix + P, stays, or is answered no longer."""

    moves: tuple[UrlPath, ...] = ()
    keeps: tuple[UrlPath, ...] = ()
    drops: tuple[UrlPath, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Probe(_Keys):
    """A request, and the answer that proves that the change works.

    `body` is a text that the answer must hold; `send`, where there is one, is the JSON that is posted. Paths
    that take POST only are asked by POST in any case.
    """

    path: UrlPath
    status: Annotated[int, Field(ge=100, le=599)] = 200
    body: str = ""
    send: str = ""

    @property
    def verb(self) -> str:
        """The HTTP method."""
        return "POST" if self.send or takes_post(self.path) else "GET"


@dataclass(frozen=True, kw_only=True)
class Header:
    """A request header: its `value`, or the environment `variable` that holds it."""

    name: str
    value: str = ""
    variable: str = ""


@dataclass(frozen=True, kw_only=True)
class Secret:
    """A secret of Secrets Manager: its `value`, or the environment `variable` that holds it."""

    name: str
    value: str = ""
    variable: str = ""


@dataclass(frozen=True, kw_only=True)
class Rehearsal(_Keys):
    """How the service's image is tried out before it is pushed.

    It gets the task definition's environment, with `environment` over it where something cannot be reached from here,
    and has `ready_within` seconds to become ready. `skip` says why it is not tried at all; empty: it is.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    # Pyroscope 2.0.4 took 47 s on an idle machine (recorded); a busy one takes longer.
    ready_within: Seconds = 120.0
    skip: str = ""


@dataclass(frozen=True, kw_only=True)
class ServiceKeys(_Keys):
    """One service of the stack.

    `target_group` is empty where no load balancer has the service's tasks.
    `pinned_tag` is set where the task definition names a mutable tag that is to be redeployed as it is.
    `probes` are asked through the load balancer, `expects` of the image itself while it is tried out.
    `hosts` are the names that other services reach it by; its own name always counts.
    `kind` is the program that `verify` asks: grafana, mimir, loki, tempo, pyroscope or other; empty: as its name says.
    """

    kind: Literal["", ServiceKind] = ""
    context: str
    dockerfile: str = "Dockerfile"
    build_args: Mapping[str, str] = field(default_factory=dict)
    repository: str
    ecs_service: str
    container: str = ""
    port: Annotated[int, Field(ge=1, le=65535)]
    target_group: Annotated[
        str, Field(description="The target group of its tasks; left out: no load balancer has them.")
    ] = ""
    prefix: Annotated[str, Field(pattern=r"^(/[^/\s]+)*$")] = ""
    health: Health
    paths: Paths = field(default_factory=Paths)
    probes: tuple[Probe, ...] = ()
    expects: tuple[Probe, ...] = ()
    rehearsal: Rehearsal = field(default_factory=Rehearsal)
    hosts: tuple[str, ...] = ()
    pinned_tag: str = ""
    tenant: Annotated[
        str | None, Field(description="The tenant of this service; `none` or empty: it keeps no tenants apart.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Service(ServiceKeys):
    """One service of the stack.

    `version` is the base image's version (build argument VERSION) and never an ECR tag.
    `tenant` is the tenant that it is asked as; None: that of the environment; empty: it keeps no tenants apart.
    `headers` are sent with requests to it through the load balancer, besides those of the environment.
    `task_definition` is the Terraform root that its task definitions come from; empty: the running one is copied.
    """

    name: str
    version: str = ""
    headers: tuple[Header, ...] = ()
    task_definition: str = ""


@dataclass(frozen=True, kw_only=True)
class RootKeys(_Keys):
    """One Terraform root module of an environment; all paths are relative to the stack file."""

    root: str
    var_files: tuple[str, ...] = ()
    backend_config: Annotated[
        tuple[str, ...], Field(description="Files of backend settings, or settings as `key=value`.")
    ] = ()
    images_variable: str = ""

    @property
    def backend_files(self) -> tuple[str, ...]:
        """Return the entries of `backend_config` that are files."""
        return tuple(each for each in self.backend_config if "=" not in each)

    def given_files(self, directory: Path) -> list[Path]:
        """Return the files that Terraform is given beside the root; `directory` is the stack file's folder."""
        return [directory / each for each in (*self.var_files, *self.backend_files)]

    def backend_words(self, directory: Path) -> tuple[str, ...]:
        """Return the entries of `backend_config` as Terraform takes them; `directory` is the stack file's folder."""
        return tuple(each if "=" in each else str((directory / each).resolve()) for each in self.backend_config)


@dataclass(frozen=True, kw_only=True)
class TerraformRoot(RootKeys):
    """One Terraform root module of an environment, with its name."""

    name: str = ""


@dataclass(frozen=True, kw_only=True)
class EnvironmentKeys(_Keys):
    """One place where the stack runs.

    `endpoint` is empty for AWS itself, `sandbox` for the local AWS, else a URL.
    `url` is where users reach the load balancer; empty: its own address is asked for.
    `task_probe` is how new tasks are asked past the load balancer's own check: at their address, by way of a shadow
    target group, or whichever works.
    `traces` is where spans are written to by OTLP over HTTP: a URL, or `direct` for port 4318 of Tempo's own tasks;
    empty: nowhere from here.
    `state` is where runs are remembered and the lock is: `local`, or `s3://bucket/prefix` for everybody.
    """

    region: str
    account: Annotated[str, Field(pattern=r"^\d{12}$")]
    cluster: str
    load_balancer: str = ""
    endpoint: str = ""
    url: str = ""
    tenant: str = ""
    ca_bundle: Annotated[
        str, Field(description="A file of certificates to trust besides the system's, relative to the stack file.")
    ] = ""
    traces: Annotated[str, Field(pattern=r"^(direct|https?://\S+)?$")] = ""
    state: StateLocation = "local"
    task_probe: Literal["auto", "direct", "shadow"] = "auto"
    build_args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Environment(EnvironmentKeys):
    """One place where the stack runs.

    `headers` are sent with requests to `url`, such as the login of a gateway.
    `secrets` are made in a sandbox before Terraform is applied, as Terraform does not make them.
    """

    name: str = ""
    headers: tuple[Header, ...] = ()
    secrets: tuple[Secret, ...] = ()
    terraform: Mapping[str, TerraformRoot] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The stack as one environment has it.

    `directory` is the stack file's own folder, `other_environments` are the names of those that it has beside.
    `start_state` is a folder in it: its files replace those at the same relative paths when a sandbox starts.
    """

    name: str
    directory: Path
    services: Mapping[str, Service]
    environment: Environment
    other_environments: tuple[str, ...] = ()
    start_state: str = ""

    def service(self, name: str) -> Service:
        """The service of that name. Raises UsageError when the stack has none."""
        try:
            return self.services[name]
        except KeyError:
            known = ", ".join(sorted(self.services))
            raise UsageError(f"The stack has no service '{name}'.", resolution=f"It has: {known}.") from None

    def tenant_of(self, service: Service) -> str:
        """Return the tenant that a service is asked as; empty: it keeps no tenants apart."""
        return self.environment.tenant if service.tenant is None else service.tenant

    def root(self, name: str) -> TerraformRoot:
        """The Terraform root of that name. Raises UsageError when the environment has none."""
        try:
            return self.environment.terraform[name]
        except KeyError:
            known = ", ".join(self.environment.terraform) or "none"
            raise UsageError(
                f"Environment '{self.environment.name}' has no Terraform root '{name}'.", resolution=f"It has: {known}."
            ) from None
