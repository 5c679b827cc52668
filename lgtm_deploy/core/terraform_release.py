"""The part of a Terraform root that releases one service: its task definition and its ECS service.

Both are found in the root's state: the service by its name and cluster, the task definition by the family that the
service names. What a plan changes of them is written down as differences of the task definition's containers. A plan
that is made again later is compared with these, and so is the state after a rollback. Numbers, images, plain URLs and
references of secrets are told. Each other value is a short digest, and a word where it may be a secret.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from lgtm_deploy.core.container_definition import container_spec, environment_of
from lgtm_deploy.core.errors import RefusedError
from lgtm_deploy.core.guard import Allowance, Late
from lgtm_deploy.core.plan_document import NO_OP, list_of, object_of, read
from lgtm_deploy.core.ports import ContainerSpec
from lgtm_deploy.core.secrecy import SENSITIVE, SENSITIVE_CHANGED, scrubbed, secrets_of
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.start_state import StartState

DEFINITION, SERVICE = "aws_ecs_task_definition", "aws_ecs_service"
_CONTAINERS = "container_definitions"
_GRACE = "health_check_grace_period_seconds"
_DESIRED = "desired_count"
_INDEX = re.compile(r'\["(?:[^"\\]|\\.)*"\]|\[\d+\]')
_SECRET_NAME = re.compile(r"PASS|PWD|SECRET|TOKEN|KEY|CREDENTIAL|DSN", re.IGNORECASE)
_USER_INFO = re.compile(r"://[^/\s]*@")
# A longer part of a URL's path may be a secret, as in a webhook.
_PLAIN = re.compile(r"true|false|\d{1,5}|https?://[^/?#@\s]+(/[\w.~-]{0,16})*", re.ASCII)
_DIGITS = 6
# ECR has more than one host for a registry (AWS: "Amazon ECR endpoints"): FIPS, and IPv6.
_ECR = re.compile(r"(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com|on\.aws)")
_LOCAL = re.compile(r"(localhost|127\.0\.0\.1)(:\d+)?$")
_WORDS = (SENSITIVE, SENSITIVE_CHANGED)
_NOTHING = "nothing"
# ECS writes these where a container health check has none (AWS: HealthCheck).
_CHECK_DEFAULTS = {"interval": 30, "timeout": 5, "retries": 3}


@dataclass(frozen=True, kw_only=True)
class Changed:
    """One value of a task definition: its name, and what it was and will be, as JSON, a digest or a word."""

    name: str
    before: str
    after: str

    @property
    def is_known(self) -> bool:
        """Whether both values can be compared: they are not words for what is sensitive."""
        return self.before not in _WORDS and self.after not in _WORDS

    @property
    def line(self) -> str:
        """Return the line of the preview."""
        return f"{self.name} {self.before} -> {self.after}"


@dataclass(frozen=True, kw_only=True)
class Release:
    """What Terraform root `root` changes to release service `name`. An empty root: Terraform does not release it.

    `definition` and `service` are addresses. `arn` is the revision that the state has. `reference` is the image that
    the planned task definition names, and `tag` its tag. `replaces`: the task definition is replaced; `deploys`: the
    ECS service is given the new revision by Terraform itself. `start` is what a rollback returns to.

    `created`: it is the rest of a replacement, whose first half was made by an apply that did not end. `planned` is the
    SHA-256 of the planned task definition, without what is secret.
    """

    name: str = ""
    root: str = ""
    definition: str = ""
    service: str = ""
    arn: str = ""
    reference: str = ""
    tag: str = ""
    replaces: bool = False
    deploys: bool = False
    created: bool = False
    planned: str = ""
    changed: tuple[Changed, ...] = ()
    start: StartState = field(default_factory=StartState)

    @property
    def changes(self) -> bool:
        """Whether Terraform has anything to apply."""
        return self.replaces or self.deploys

    @property
    def targets(self) -> tuple[str, str]:
        """Return the addresses that are planned, and nothing else."""
        return (self.definition, self.service)

    @property
    def lines(self) -> tuple[str, ...]:
        """Return what changes, a line each, as it is approved."""
        found = [f"- replace {self.definition}"] if self.replaces else []
        found += [f"    {each.line}" for each in self.changed]
        found += [f"~ {self.service}: task_definition"] if self.deploys else []
        return tuple(found)

    def unlike(self, other: "Release", known: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the lines that only one of the two has: what was approved, and what is planned now.

        `known` is the task definition as the state has it. What an apply has left, that did not end, is as approved.
        """
        if other.deploys <= self.deploys and self.replaces:
            if other.created and other.planned == self.planned:
                return ()
            if not other.replaces and self.can_tell and self._is_there(known):
                return ()
        mine, theirs = set(self.lines), set(other.lines)
        return (
            *(f"approved, and not planned now: {line.strip()}" for line in self.lines if line not in theirs),
            *(f"planned now, and not approved: {line.strip()}" for line in other.lines if line not in mine),
        )

    def astray(self, back: "Release") -> tuple[str, ...]:
        """Return what the plan `back` would not bring back, a line each."""
        wanted = {(each.name, each.before) for each in self.changed if each.is_known}
        given = {(each.name, each.after) for each in back.changed if each.is_known}
        names = {each.name for each in self.changed}
        lines = [f"{name} would not be {value} again" for name, value in sorted(wanted - given)]
        if not back.created:
            lines += [f"{each.name} would change, too" for each in back.changed if each.name not in names]
        return tuple(lines)

    def _is_there(self, known: Mapping[str, Any]) -> bool:
        """Whether the task definition of the state, as `known`, has each new value."""
        now = dict(_flat(_containers(known.get(_CONTAINERS))))
        return all(
            _spelled(each.name, now.get(each.name), set()) == each.after for each in self.changed if each.is_known
        )

    def still_changed(self, known: Mapping[str, Any]) -> str:
        """Return what the task definition of the state, as `known`, has not got back; empty when it is as it was."""
        now = dict(_flat(_containers(known.get(_CONTAINERS))))
        for each in self.changed:
            if each.is_known and _spelled(each.name, now.get(each.name), set()) != each.before:
                return f"{self.definition}: {each.name} is not {each.before} again"
        return ""

    @property
    def can_tell(self) -> bool:
        """Whether the state tells that the change is there: some changed value is not a word."""
        return any(each.is_known for each in self.changed)


def released(
    service: Service,
    cluster: str,
    root: str,
    state: Mapping[str, Mapping[str, Any]],
    document: Mapping[str, Any],
    *,
    repository: str,
) -> Release:
    """Return what the plan `document` of the root changes of a service; an empty document changes nothing.

    `state` is what the root's state has, by address. `repository` is the service's, with the host of its registry.
    Raises RefusedError: the root does not manage the service or its task definition, or it does in a way that cannot be
    released.
    """
    address = _service_in(state, service, cluster, root)
    found = released_at(service, root, (_definition_of(state, address, service, root), address), state, document)
    named = found.reference.rpartition(":")[0]
    if named != service.repository and not _is_same(named, repository):
        raise RefusedError(
            f"{found.definition} names the image {found.reference}, which is not in {repository}.",
            resolution="Name the registry that lgtm-deploy pushes to.",
        )
    return found


def released_at(
    service: Service,
    root: str,
    addresses: tuple[str, str],
    state: Mapping[str, Mapping[str, Any]],
    document: Mapping[str, Any],
) -> Release:
    """Return the same where the addresses of task definition and service are known already.

    The state may lack the task definition: an apply that did not end may have deregistered it.
    """
    definition, address = addresses
    listed = [object_of(each) for each in list_of(document, "resource_changes")]
    entries = {str(each.get("address")): each for each in listed if not each.get("deposed")}
    secrets = secrets_of(document)
    entry = entries.get(definition)
    after = _after(entry, state.get(definition, {}))
    reference = _image(after, service, definition)
    name, _, digest = reference.partition("@")
    repository, _, tag = name.rpartition(":")
    if digest or not repository or "/" in tag:
        raise RefusedError(
            f"{definition} names the image {reference}, and not a tag of {service.repository}.",
            resolution="Name the image as `repository:tag`, or use `task_definition: live`.",
        )
    if repository != service.repository and not repository.endswith(f"/{service.repository}"):
        raise RefusedError(
            f"{definition} names the image {reference}, which is not in {service.repository}.",
            resolution=f"Correct `repository` of service '{service.name}' in the stack file, or the task definition.",
        )
    waits = object_of(object_of(entries.get(address, {}).get("change")).get("after")) or state.get(address, {})
    if waits.get("wait_for_steady_state") is True:
        raise RefusedError(
            f"{address} has `wait_for_steady_state = true`: the apply would wait for a health check that moves after"
            " it.",
            resolution="Remove it: lgtm-deploy waits for the deployment itself.",
        )
    found = read(entry) if entry else None
    served = read(entries[address]) if address in entries else None
    return Release(
        name=service.name,
        root=root,
        definition=definition,
        service=address,
        arn=str(state.get(definition, {}).get("arn") or ""),
        reference=reference,
        tag=tag,
        replaces=found is not None and found.verb in ("replace", "create"),
        created=found is not None and found.verb == "create",
        planned=_digest(after, secrets),
        deploys=served is not None and any(each.path[:1] == ("task_definition",) for each in served.differences),
        changed=tuple(_changed(entry, secrets)) if entry and found and found.actions != NO_OP else (),
    )


def allowed(releases: Sequence[Release], *, held: bool = False, back: bool = False) -> tuple[Allowance, ...]:
    """Return what a plan of these releases may change.

    `held`: the run has begun. It holds the grace period, and an apply of its own may have ended half-way. `back`: it is
    the way back, which autoscaling does not bar.
    """
    found: list[Allowance] = []
    for each in releases:
        attributes = ("task_definition", *((_GRACE,) if held else ()), *((_DESIRED,) if back else ()))
        actions = ("replace", "create") if held else ("replace",)
        found.append(Allowance(type=DEFINITION, name=each.definition, actions=actions))
        found.append(Late(type=SERVICE, name=each.service, attributes=attributes, late=("task_definition",)))
    return tuple(found)


def guardable(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the document as the guard judges it.

    Left out are data sources that look up a task definition, and outputs that follow from a new revision: both are
    known after the apply only. A plan of some targets is never complete, and this is wanted here.
    """
    changes = [each for each in list_of(document, "resource_changes") if not _looks_up(object_of(each))]
    outputs = {
        name: change
        for name, change in object_of(document.get("output_changes")).items()
        if object_of(change).get("after_unknown") in (None, False, {}, [])
    }
    return {**document, "resource_changes": changes, "output_changes": outputs, "complete": True}


def scaled(document: Mapping[str, Any], release: Release) -> tuple[str, ...]:
    """Return the change of the service's desired count, as a line; none where it stays."""
    found = (read(each) for each in list_of(document, "resource_changes"))
    return tuple(
        f"{release.service}: {each}"
        for entry in found
        if entry is not None and entry.address == release.service
        for each in entry.differences
        if each.path == (_DESIRED,)
    )


def resumable(document: Mapping[str, Any], release: Release) -> Mapping[str, Any]:
    """Return the document without the revision that an apply of this release has replaced and did not deregister.

    Terraform calls it a deposed object (`create_before_destroy`).
    """
    changes = [
        each
        for each in list_of(document, "resource_changes")
        if not (object_of(each).get("deposed") and object_of(each).get("address") == release.definition)
    ]
    return {**document, "resource_changes": changes}


def planned_container(
    release: Release, container: str, state: Mapping[str, Mapping[str, Any]], document: Mapping[str, Any]
) -> ContainerSpec:
    """Return how the planned task definition starts that container; as the state has it where nothing is planned."""
    definition = _planned(release, state, document)
    return container_spec(definition, object_of(_containers(definition.get(_CONTAINERS)).get(container)))


@dataclass(frozen=True, kw_only=True)
class PlannedTexts:
    """The environment variables of a planned task definition, and the commands of its container health checks.

    Both are by container. Values may be secret: they are never written down whole.
    """

    environment: Mapping[str, Mapping[str, str]] = field(repr=False)
    health_checks: Mapping[str, str]


def planned_texts(
    release: Release, state: Mapping[str, Mapping[str, Any]], document: Mapping[str, Any]
) -> PlannedTexts:
    """Return the texts of the planned task definition; of the state's where nothing is planned."""
    containers = _containers(_planned(release, state, document).get(_CONTAINERS))
    return PlannedTexts(
        environment={name: environment_of(each) for name, each in containers.items()},
        health_checks={
            name: " ".join(map(str, list_of(object_of(each.get("healthCheck")), "command")))
            for name, each in containers.items()
            if each.get("healthCheck")
        },
    )


def _planned(
    release: Release, state: Mapping[str, Mapping[str, Any]], document: Mapping[str, Any]
) -> Mapping[str, Any]:
    entries = (object_of(each) for each in list_of(document, "resource_changes"))
    mine = (each for each in entries if each.get("address") == release.definition and not each.get("deposed"))
    return _after(next(mine, None), state.get(release.definition, {}))


def more_replaced(document: Mapping[str, Any], releases: Sequence[Release]) -> tuple[str, ...]:
    """Return what else than its containers a replacement changes of a task definition, a line each.

    The provider reads `""` and `{}` back for what is not set, and plans `null` for a new one (AWS provider 6).
    """
    mine = {each.definition for each in releases}
    secrets = secrets_of(document)
    lines: list[str] = []
    for entry in list_of(document, "resource_changes"):
        found = read(entry)
        if found is None or found.address not in mine or found.verb != "replace":
            continue
        lines += [
            f"{found.address}: {scrubbed(str(each), secrets)} is not allowed"
            for each in found.differences
            if each.path[:1] != (_CONTAINERS,) and not each.unknown and (each.before or each.after)
        ]
    return tuple(lines)


def _looks_up(entry: Mapping[str, Any]) -> bool:
    return entry.get("mode") == "data" and entry.get("type") == DEFINITION


def _service_in(state: Mapping[str, Mapping[str, Any]], service: Service, cluster: str, root: str) -> str:
    found = [
        address
        for address, known in state.items()
        if _type_of(address) == SERVICE
        and known.get("name") == service.ecs_service
        and str(known.get("cluster") or "").rpartition("/")[2] == cluster
    ]
    if len(found) == 1:
        return found[0]
    raise RefusedError(
        f"Terraform root '{root}' has {'no' if not found else 'more than one'} aws_ecs_service"
        f" '{service.ecs_service}' in cluster {cluster}.",
        resolution=f"Correct `task_definition` of service '{service.name}' in the stack file.",
    )


def _definition_of(state: Mapping[str, Mapping[str, Any]], address: str, service: Service, root: str) -> str:
    named = str(state[address].get("task_definition") or "")
    family = named.rpartition("/")[2].partition(":")[0]
    found = [each for each, known in state.items() if _type_of(each) == DEFINITION and known.get("family") == family]
    if len(found) == 1:
        return found[0]
    raise RefusedError(
        f"Terraform root '{root}' has {'no' if not found else 'more than one'} aws_ecs_task_definition of the family"
        f" '{family}', which {address} runs.",
        resolution=f"Use `task_definition: live` for service '{service.name}', or manage its task definition there.",
    )


def _type_of(address: str) -> str:
    parts = _INDEX.sub("", address).split(".")
    return parts[-2] if len(parts) > 1 else ""


def _after(entry: Mapping[str, Any] | None, known: Mapping[str, Any]) -> Mapping[str, Any]:
    """The task definition as planned; where the plan does not know it, as the state has it."""
    if entry is None:
        return known
    change = object_of(entry.get("change"))
    if object_of(change.get("after_unknown")).get(_CONTAINERS) is True:
        raise RefusedError(
            f"{entry.get('address')}: its containers are known after the apply only, so that nobody can approve them.",
            resolution="Apply what they depend on first.",
        )
    return object_of(change.get("after")) or known


def _is_same(named: str, repository: str) -> bool:
    """Whether both name one repository of one registry.

    An address on this machine is a sandbox's, which stands for every ECR, and whose port may have been another one.
    """
    (host, _, path), (wanted, _, wanted_path) = named.partition("/"), repository.partition("/")
    if path != wanted_path:
        return False
    mine, other = _ECR.match(host), _ECR.match(wanted)
    if _LOCAL.match(wanted):
        return bool(mine or _LOCAL.match(host))
    return host == wanted or (mine is not None and other is not None and mine.groups() == other.groups())


def _image(definition: Mapping[str, Any], service: Service, address: str) -> str:
    containers = _containers(definition.get(_CONTAINERS))
    image = object_of(containers.get(service.container)).get("image")
    if isinstance(image, str) and image:
        return image
    raise RefusedError(
        f"{address} has no container '{service.container}' with an image.",
        resolution=f"Correct `container` of service '{service.name}' in the stack file.",
    )


def _changed(entry: Mapping[str, Any], secrets: Set[str]) -> Iterator[Changed]:
    change = object_of(entry.get("change"))
    hidden = [object_of(change.get(f"{side}_sensitive")).get(_CONTAINERS) for side in ("before", "after")]
    before, after = (object_of(change.get(side)).get(_CONTAINERS) for side in ("before", "after"))
    if any(hidden):
        if before != after:
            yield Changed(name="containers", before=SENSITIVE, after=SENSITIVE_CHANGED)
        return
    now, then = dict(_flat(_containers(before))), dict(_flat(_containers(after)))
    for name in dict.fromkeys((*now, *then)):
        if now.get(name) != then.get(name):
            old, new = (_spelled(name, side.get(name), secrets) for side in (now, then))
            yield Changed(name=name, before=old, after=SENSITIVE_CHANGED if new == SENSITIVE else new)


def _digest(definition: Mapping[str, Any], secrets: Set[str]) -> str:
    values = _flat(_containers(definition.get(_CONTAINERS)))
    containers = sorted((name, _spelled(name, value, secrets)) for name, value in values)
    rest = {name: value for name, value in definition.items() if name != _CONTAINERS and value}
    text = json.dumps([containers, scrubbed(rest, secrets)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _spelled(name: str, value: Any, secrets: Set[str]) -> str:
    if value is None:
        return _NOTHING
    _, _, within = name.partition(".")
    is_reference = within.startswith("secrets.")
    if _SECRET_NAME.search(within) and not is_reference:
        return SENSITIVE
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if SENSITIVE in scrubbed(text, secrets) or _USER_INFO.search(text):
        return SENSITIVE
    is_plain = isinstance(value, int | float) or (isinstance(value, str) and _PLAIN.fullmatch(value))
    if within == "image" or is_reference or is_plain:
        return text
    return f"(value {hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]})"


def _containers(text: Any) -> Mapping[str, Any]:
    """Container definitions (JSON) by container name; empty where they cannot be read."""
    try:
        listed = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return {}
    listed = listed if isinstance(listed, list) else []
    return {str(object_of(each).get("name")): object_of(each) for each in listed}


def _flat(containers: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each value by a name such as `tempo.environment.LOG_LEVEL`. AWS's defaults count as absent."""
    for container, values in containers.items():
        for key, value in object_of(values).items():
            name = f"{container}.{key}"
            if key in ("environment", "secrets") and isinstance(value, list):
                for each in value:
                    item = object_of(each)
                    yield f"{name}.{item.get('name')}", item.get("value", item.get("valueFrom"))
            elif key == "portMappings" and isinstance(value, list):
                yield from _leaves(name, list(map(_port, value)))
            elif key == "healthCheck":
                yield from _leaves(name, _health_check(value))
            elif key == "essential":
                # ECS adds `essential: true` (AWS: ContainerDefinition).
                yield from [(name, value)] if value is False else ()
            elif key != "name":
                yield from _leaves(name, value)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Each value that holds no further names. ECS adds empty lists, empty texts and zeros."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(f"{name}.{key}", each)
    elif value:
        yield name, _filled(value)


def _filled(value: Any) -> Any:
    """The value without what is empty in the objects in it."""
    if isinstance(value, Mapping):
        return {key: _filled(each) for key, each in value.items() if each}
    return [_filled(each) for each in value] if isinstance(value, list) else value


def _port(mapping: Any) -> Mapping[str, Any]:
    """A port mapping without its defaults: TCP, and under awsvpc the container's own port (AWS: PortMapping)."""
    known = dict(object_of(mapping))
    if known.get("hostPort") in (known.get("containerPort"), 0):
        known.pop("hostPort", None)
    if known.get("protocol") == "tcp":
        known.pop("protocol")
    return known


def _health_check(check: Any) -> Mapping[str, Any]:
    """A container health check without its defaults."""
    return {name: value for name, value in object_of(check).items() if value != _CHECK_DEFAULTS.get(name)}
