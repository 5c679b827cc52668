"""Starts a task's containers: from which image, in which order, with which settings and which address."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from docker.errors import APIError, ImageNotFound
from ministack.core.concurrency import resource_lock
from ministack.services import ecs

from .container_order import DEFAULT_START_TIMEOUT, in_order, is_met, must_end
from .containers import Containers
from .definitions import HEALTH_CHECK
from .discovery import Discovery
from .records import Records
from .registry import MissingImageError, Registry
from .settings import Settings

log = logging.getLogger("shim.launch")
NANOSECONDS = 1_000_000_000
DEPENDENCY_POLL_SECONDS = 0.1
IMAGE_POLL_SECONDS = 0.2


class CannotStartError(Exception):
    """The engine has the image and cannot start a container of it."""


class Launcher:
    """Replaces the parts of MiniStack's task worker that resolve, pull and run images."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        records: Records,
        containers: Containers,
        discovery: Discovery,
    ) -> None:
        """Start containers that bear the sandbox's label."""
        self._settings = settings
        self._registry = registry
        self._records = records
        self._containers = containers
        self._discovery = discovery
        self._start_task_worker = ecs._start_task_worker
        self._build_run_kwargs = ecs._build_run_kwargs
        self._record_task_ip = ecs._record_task_ip
        self._fail_task_start = ecs._fail_task_start
        self._pulls = threading.Lock()

    def install(self) -> None:
        """Put the replacements into MiniStack."""
        ecs._start_task_worker = self.start_task
        ecs._build_run_kwargs = self.run_arguments
        ecs._run_docker_container = self.run_container
        ecs._prepare_service_images = self.resolve_images
        ecs._record_task_ip = self.record_address
        ecs._fail_task_start = self.fail_start
        for name in ("_mark_task_pending", "_mark_task_activating", "_mark_task_running"):
            setattr(ecs, name, self._recorded(getattr(ecs, name)))

    def start_task(self, task: dict[str, Any], definition: dict[str, Any], *rest: Any) -> None:
        """Start a task's containers in the order that their ``dependsOn`` asks for."""
        containers = in_order(definition["containerDefinitions"])
        names = [container["name"] for container in containers]
        with resource_lock("ecs-task", task["taskArn"]):
            task["containers"] = sorted(task["containers"], key=lambda entry: names.index(entry["name"]))
        self._start_task_worker(task, {**definition, "containerDefinitions": containers}, *rest)

    def resolve_images(self, task: dict[str, Any], definition: dict[str, Any], _client: Any) -> Any:
        """Resolve tags to digests, once per deployment.

        AWS: "Amazon ECS resolves the image tag to a digest when it starts the first task of a deployment and uses
        the same digest for the others" (container image resolution, deployment-type-ecs).
        """
        for container in definition.get("containerDefinitions", []):
            # A secret that is missing stops the task before any of its containers starts.
            ecs._resolve_container_secrets(container)
        service = ecs._services.get(service_key(task) or "")
        deployment = ecs._deployment_for_task(service, task) if service else None
        if not deployment:
            return None
        digests = deployment.setdefault("_image_digests", {})
        for container in definition.get("containerDefinitions", []):
            if container["name"] in digests:
                continue
            digest = self._digest_of(container["image"], task)
            if digest:
                digests[container["name"]] = digest
        return deployment

    def _digest_of(self, image: str, task: dict[str, Any]) -> str | None:
        while True:
            try:
                return self._registry.digest_of(image)
            except MissingImageError as error:
                if not self._registry.is_awaited(image) or not ecs._task_is_active(task.get("taskArn"), task):
                    raise ecs._ImagePullError(f"pull image manifest has been retried 1 time(s): {error}") from error
            time.sleep(IMAGE_POLL_SECONDS)

    def run_arguments(
        self, container: dict[str, Any], definition: dict[str, Any], *rest: Any, **named: Any
    ) -> dict[str, Any]:
        """Docker's arguments for a container, with what MiniStack leaves out of the definition."""
        arguments: dict[str, Any] = self._build_run_kwargs(container, definition, *rest, **named)
        arguments["labels"] = {**container.get("dockerLabels", {}), **arguments["labels"], **self._settings.labels}
        arguments["name"] = arguments["name"].replace("ministack-ecs", f"lgtm-deploy-{self._settings.name}", 1)
        arguments["healthcheck"] = health_check(container)
        if arguments.get("ports"):
            arguments["ports"] = {
                port: ("127.0.0.1", host_port or None) for port, host_port in arguments["ports"].items()
            }
        for field, argument in (("entryPoint", "entrypoint"), ("workingDirectory", "working_dir"), ("user", "user")):
            if container.get(field):
                arguments[argument] = container[field]
        if container.get("readonlyRootFilesystem"):
            arguments["read_only"] = True
        if (container.get("linuxParameters") or {}).get("initProcessEnabled"):
            arguments["init"] = True
        return arguments

    def run_container(self, client: Any, container: dict[str, Any], arguments: dict[str, Any], **_named: Any) -> Any:
        """Pull an image by digest from ECR where it is ECR's, and start it."""
        image, labels = container["image"], arguments["labels"]
        task = ecs._tasks.get(labels["com.amazonaws.ecs.task-arn"]) or {}
        # A definition without a platform gets the engine's, so that ARM machines can run the sandbox; AWS's is X86_64.
        named = arguments.pop("platform", None)
        platform = named or f"linux/{client.version()['Arch']}"
        digest = self._digest_of(image, task)
        if digest:
            self._require_platform(image, digest, platform)
            image = self._registry.pullable(image, digest)
            _set_digest(task, container["name"], digest)
        while self._registry.is_made(image) and not _is_present(client, image):
            if not ecs._task_is_active(task.get("taskArn"), task):
                break
            time.sleep(IMAGE_POLL_SECONDS)
        self._pull(client, image, named)
        definitions = _definitions(task)
        self._await_dependencies(task, container, definitions)
        if arguments.get("network_mode") != "host":
            arguments["volumes"] = [*arguments.get("volumes", []), f"{self._discovery.hosts_file(task)}:/etc/hosts"]
        owner = task.get("_network_owner")
        if owner and task.get("_network_mode") == "awsvpc":
            # Containers of one awsvpc task share one network interface and meet on localhost.
            arguments = {k: v for k, v in arguments.items() if k not in {"network", "extra_hosts", "ports"}}
            arguments["network_mode"] = f"container:{owner}"
        started = _start(client, image, arguments)
        if not owner and not must_end(container["name"], definitions):
            task["_network_owner"] = started.id
        return started

    def _require_platform(self, image: str, digest: str, platform: str) -> None:
        """Refuse an image of another platform, in AWS's words (task_cannot_pull_image)."""
        platforms = self._registry.platforms(image, digest)
        if platforms and platform not in platforms:
            raise ecs._ImagePullError(
                "pull image manifest has been retried 1 time(s): "
                f"image Manifest does not contain descriptor matching platform '{platform}'"
            )

    def _await_dependencies(
        self, task: dict[str, Any], container: dict[str, Any], definitions: list[dict[str, Any]]
    ) -> None:
        """Wait until the containers that this one depends on are as it wants them.

        Raises CannotStartError where they cannot become so, or not within their ``startTimeout``.
        """
        by_name = {each["name"]: each for each in definitions}
        names = [entry["name"] for entry in task.get("containers") or []]
        for dependency in container.get("dependsOn") or []:
            name, condition = dependency["containerName"], dependency["condition"]
            identifier = task["_docker_ids"][names.index(name)]
            deadline = time.monotonic() + float(by_name[name].get("startTimeout") or DEFAULT_START_TIMEOUT)
            while True:
                state = self._containers.state_of(identifier)
                met = is_met(condition, running=state.running, exit_code=state.exit_code, health=state.health)
                if met:
                    break
                if met is False or time.monotonic() > deadline or not ecs._task_is_active(task["taskArn"], task):
                    exited = "" if state.running else f" Exit: {state.exit_code}"
                    # The ECS agent's words.
                    raise CannotStartError(
                        "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency "
                        f"[{name} ({by_name[name]['image']}) {condition}{exited}] for target [{container['name']}]"
                    )
                time.sleep(DEPENDENCY_POLL_SECONDS)

    def _pull(self, client: Any, image: str, platform: str | None) -> None:
        with self._pulls:
            if _is_present(client, image):
                return
            try:
                client.images.pull(image, platform=platform)
            except APIError as error:
                why = error.explanation or error
                raise ecs._ImagePullError(
                    f"pull image manifest has been retried 1 time(s): failed to resolve ref {image}: {why}"
                ) from error

    def record_address(self, task: dict[str, Any], container: Any, network: Any) -> None:
        """Note a task's address in its attachment and in each of its containers, as DescribeTasks shows both."""
        if container.id != task.get("_network_owner"):
            return
        self._record_task_ip(task, container, network)
        attachment = next(iter(task.get("attachments") or []), None)
        if attachment:
            interface = {"attachmentId": attachment["id"], "privateIpv4Address": ecs._task_ip(task)}
            for entry in task["containers"]:
                entry["networkInterfaces"] = [interface]

    def fail_start(self, task: dict[str, Any], client: Any, reason: str) -> None:
        """Stop a task that could not start, with AWS's words (stopped-task-error-codes) in place of MiniStack's."""
        own = reason.removeprefix("ResourceInitializationError: unable to pull image or start container: ")
        if own.startswith("failed to validate logger args"):
            reason = f"ResourceInitializationError: {own}"
        elif own.startswith("CannotStartContainerError"):
            reason = own
        self._fail_task_start(task, client, reason)

    def _recorded(self, transition: Any) -> Any:
        def recorded(arn: str, task: dict[str, Any]) -> Any:
            before = task.get("lastStatus")
            changed = transition(arn, task)
            if changed:
                if task["lastStatus"] == "RUNNING":
                    with resource_lock("ecs-task", arn):
                        task["_started"] = time.time()
                if before == "PROVISIONING":
                    record_task(self._records, {**task, "lastStatus": before}, None)
                record_task(self._records, task, before)
            return changed

        return recorded


def health_check(container: dict[str, Any]) -> dict[str, Any]:
    """Docker's form of a definition's ``healthCheck``; times in seconds become nanoseconds.

    Without one, a HEALTHCHECK of the image is ignored: "Amazon ECS doesn't monitor Docker health checks that are
    embedded in a container image" (AWS, HealthCheck).
    """
    if not container.get("healthCheck"):
        return {"test": ["NONE"]}
    wanted = {**HEALTH_CHECK, **container["healthCheck"]}
    return {
        "test": wanted["command"],
        "interval": int(float(wanted["interval"]) * NANOSECONDS),
        "timeout": int(float(wanted["timeout"]) * NANOSECONDS),
        "retries": int(wanted["retries"]),
        "start_period": int(float(wanted.get("startPeriod", 0)) * NANOSECONDS),
    }


def service_key(task: dict[str, Any]) -> str | None:
    """MiniStack's key of the service a task belongs to, or None for a task of its own."""
    group = str(task.get("group", ""))
    if not group.startswith("service:"):
        return None
    return f"{task['clusterArn'].rpartition('/')[2]}/{group.removeprefix('service:')}"


def record_task(records: Records, task: dict[str, Any], before: str | None) -> None:
    """Record a task's change of status."""
    containers = task.get("containers") or []
    records.write(
        "task",
        task=task["taskArn"],
        service=(service_key(task) or "/").partition("/")[2] or None,
        task_definition=task["taskDefinitionArn"],
        image_digest=next((c["imageDigest"] for c in containers if c.get("imageDigest")), None),
        reason=task.get("stoppedReason") or None,
        stop_code=task.get("stopCode") or None,
        exit_code=next((c["exitCode"] for c in containers if c.get("exitCode") is not None), None),
        address=ecs._task_ip(task),
        **{"from": before, "to": task["lastStatus"]},
    )


def _definitions(task: dict[str, Any]) -> list[dict[str, Any]]:
    definition = ecs._task_defs.get(ecs._resolve_td_key(task.get("taskDefinitionArn", ""))) or {}
    found: list[dict[str, Any]] = definition.get("containerDefinitions", [])
    return found


def _start(client: Any, image: str, arguments: dict[str, Any]) -> Any:
    container = client.containers.create(image, **arguments)
    try:
        container.start()
    except APIError as error:
        container.remove(force=True, v=True)
        raise CannotStartError(f"CannotStartContainerError: {error.explanation or error}") from error
    return container


def _is_present(client: Any, image: str) -> bool:
    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    return True


def _set_digest(task: dict[str, Any], name: str, digest: str) -> None:
    with resource_lock("ecs-task", task.get("taskArn", "")):
        for entry in task.get("containers", []):
            if entry["name"] == name:
                entry["imageDigest"] = digest
