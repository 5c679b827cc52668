"""deploy-service: the service on another image, by digest."""

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import ClassVar

from lgtm_deploy.core.errors import PermanentError, TransientError
from lgtm_deploy.core.gate import Gate, Open, Shut, Waiting
from lgtm_deploy.core.ports import DeploymentState, Progress, ServiceState, TaskState
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.step import Action, Change, Nothing, Part, Proposal
from lgtm_deploy.steps.rollouts import running_digest
from lgtm_deploy.steps.target_groups import checked_path

_POLL = 0.5
# How old an earlier task must be before it counts where it cannot be asked, in seconds.
_UNSEEN_SECONDS = 60.0
# AWS: ServiceDeployment, status.
_CAME_TO_NOTHING = ("STOPPED", "ROLLBACK_FAILED")
_GOES_FORWARD = ("PENDING", "IN_PROGRESS", "SUCCESSFUL")


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """`reference` names the image by `digest`."""

    service: str
    digest: str
    reference: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The service's task definition, its image, its newest service deployment (empty: none is listed), the digest that
    it is on (empty: not known), and the path that the load balancer checks.

    `ended` is how that deployment ended, where it came to nothing. `begun`: it has begun since this step's first look,
    and is this step's own.
    """

    task_definition: str
    image: str
    deployment: str
    digest: str
    path: str = ""
    ended: str = ""
    begun: bool = False


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """`deployment` is the ARN of the service deployment: everything after is judged by it."""

    deployment: str
    task_definition: str


class DeployService(Action[Inputs, Seen, Outputs]):
    """A new task definition revision that names the image by digest, and one deployment of it.

    Where the stack pins a mutable tag, the revision that names it is deployed again by force, and the gate after it
    checks which digest runs: a tag is resolved once per deployment (ECS developer guide, container image resolution).
    """

    retreats: ClassVar[bool] = True
    part: ClassVar[Part | None] = Part.DEPLOY
    takes = Inputs
    sees = Seen
    gives = Outputs

    def observe(self, inputs: Inputs) -> Seen:
        """Raises NotFoundError when there is no such service."""
        service = self.stack.service(inputs.service)
        state = self.ports.host.service(service.ecs_service)
        newest = self._newest(state)
        return Seen(
            task_definition=state.task_definition,
            image=state.images.get(service.container, ""),
            deployment=state.deployment,
            digest=running_digest(self.ports.rollouts, service, state),
            path=checked_path(self.ports.balancer, service),
            ended=newest.status if newest is not None and newest.status in _CAME_TO_NOTHING else "",
        )

    def recall(self, seen: Seen, first: Seen) -> Seen:
        """A deployment by force leaves no trace but itself: its digest is not known at once."""
        return replace(seen, begun=seen.deployment != first.deployment)

    def propose(self, inputs: Inputs, seen: Seen) -> Proposal[Outputs]:
        """Nothing when the service is on this digest. Gates go by its deployment: without one it is made."""
        pinned = self.stack.service(inputs.service).pinned_tag
        there = (seen.digest == inputs.digest or seen.begun) if pinned else seen.image == inputs.reference
        # What became of this step's own deployment is for the gates to say.
        if seen.deployment and there and (seen.begun or not seen.ended):
            return Nothing(outputs=Outputs(deployment=seen.deployment, task_definition=seen.task_definition))
        return Change(
            summary=f"deploy {inputs.service} {inputs.digest[:19]}",
            details=(f"runs now: {seen.image}", f"will run: {inputs.reference}"),
        )

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> Outputs:
        """Raises InDoubtError when the answer is lost."""
        service = self.stack.service(inputs.service)
        host = self.ports.host
        address, _, by_digest = seen.image.partition("@")
        if service.pinned_tag and not by_digest:
            deployment = host.update(service.ecs_service, force=True)
            return Outputs(deployment=deployment, task_definition=seen.task_definition)
        # A rollback leaves a digest where the pinned tag was named: no force would have that resolved anew.
        reference = f"{address}:{service.pinned_tag}" if service.pinned_tag else inputs.reference
        revision = host.revise(service.ecs_service, {service.container: reference})
        deployment = host.update(service.ecs_service, task_definition=revision)
        return Outputs(deployment=deployment, task_definition=revision)

    def superseded(self, inputs: Inputs, seen: Seen, outputs: Outputs | None) -> str:
        """The newest deployment, when it is neither this step's own nor the one that was there before."""
        service = self.stack.service(inputs.service)
        state = self.ports.host.service(service.ecs_service)
        if self._is_back(inputs, seen):
            return ""
        revisions = {seen.task_definition, outputs.task_definition if outputs else state.task_definition}
        # AWS forgets old deployments, and lists a new one late.
        deployments = {"", seen.deployment, outputs.deployment if outputs else ""}
        if state.task_definition in revisions and state.deployment in deployments:
            return ""
        if outputs is None and running_digest(self.ports.rollouts, service, state) in ("", inputs.digest):
            # Sent, and the answer never came.
            return ""
        which = state.deployment.rpartition("/")[2] or "a deployment that AWS no longer lists"
        return (
            f"{inputs.service} was deployed by somebody else since: {which},"
            f" on {state.task_definition.rpartition('/')[2]}"
        )

    def compensate(self, inputs: Inputs, seen: Seen, progress: Progress) -> None:
        """Deploys the earlier revision, unless ECS's own rollback has done so; a mutable tag comes back by digest."""
        service = self.stack.service(inputs.service)
        state = self.ports.host.service(service.ecs_service)
        newest = self._newest(state)
        ended = newest is not None and newest.status in _CAME_TO_NOTHING
        if self._is_back(inputs, seen) and not ended:
            return
        revision = seen.task_definition
        if service.pinned_tag:
            if not seen.digest:
                raise PermanentError(
                    f"Which image of {inputs.service} ran before is not known: no task of it ran.",
                    resolution=f"Push it as {service.pinned_tag} again, and deploy that.",
                )
            reference = self.ports.registry.reference(service.repository, seen.digest)
            revision = self.ports.host.revise(service.ecs_service, {service.container: reference})
        # Where ECS has it back in name only, the same revision has to be deployed once more.
        force = ended and revision == state.task_definition
        self.ports.host.update(service.ecs_service, task_definition=revision, force=force)

    def thing(self, inputs: Inputs) -> str:
        """What the service runs."""
        return f"revision of {inputs.service}"

    def restored(self, inputs: Inputs, seen: Seen) -> Gate[None]:
        """Open once the earlier digest runs and its deployment is complete."""
        service = self.stack.service(inputs.service)
        state = self.ports.host.service(service.ecs_service)
        if not state.deployment and self._is_back(inputs, seen):
            return Open(outputs=None)
        if not state.deployment:
            return Waiting(reason=f"{inputs.service} has no deployment; going back to {seen.digest[:19]}")
        deployment = self.ports.rollouts.deployment(state.deployment)
        digest = deployment.digests.get(service.container, "")[:19] or "no image yet"
        now = f"{inputs.service} is on {digest}, {deployment.status}"
        if deployment.status in ("ROLLBACK_SUCCESSFUL", "SUCCESSFUL") and self._is_back(inputs, seen):
            return Open(outputs=None, since=deployment.finished_at)
        if deployment.status in _CAME_TO_NOTHING:
            return Shut(reason=f"{now}; it was on {seen.digest[:19]}")
        return Waiting(reason=f"{now}; going back to {seen.digest[:19]}")

    def retreated(self, inputs: Inputs, seen: Seen) -> Gate[None]:
        """Open once as many tasks of the earlier image as desired answer on the path that was checked before: the check
        may go back then, while the deployment is still under way."""
        service = self.stack.service(inputs.service)
        state = self.ports.host.service(service.ecs_service)
        earlier = [
            task
            for task in self.ports.rollouts.tasks(service.ecs_service)
            if task.status == "running" and _is_of(task, service, seen)
        ]
        answering = sum(self._answers(task, service, seen.path) for task in earlier)
        if answering >= state.desired:
            return Open(outputs=None)
        answer = f"answer on {seen.path}" if seen.path else "run"
        return Waiting(reason=f"{answering}/{state.desired} earlier tasks {answer}", poll_seconds=_POLL)

    def _newest(self, state: ServiceState) -> DeploymentState | None:
        """Its newest deployment, None where none is listed. Raises TransientError: ECS does not list it yet."""
        if not state.deployment:
            return None
        newest = self.ports.rollouts.deployment(state.deployment)
        # ECS goes back to an earlier task definition by itself; else the newest deployment is the one of the newest.
        other = newest.task_definition not in ("", state.task_definition)
        if other and newest.status in _GOES_FORWARD:
            raise TransientError(f"ECS does not list the newest deployment of {state.name} yet.")
        return newest

    def _answers(self, task: TaskState, service: Service, path: str) -> bool:
        if not path:
            return task.health != "unhealthy"
        if not self.ports.task_probe.reaches(task.address, service.port):
            # Nobody here can tell: by then it has had the time that a task needs.
            age = self.ports.clock.now() - (task.started_at or self.ports.clock.now())
            return age.total_seconds() >= _UNSEEN_SECONDS
        try:
            return self.ports.task_probe.ask(task.address, service.port, path).status == HTTPStatus.OK
        except TransientError:
            return False

    def _is_back(self, inputs: Inputs, seen: Seen) -> bool:
        service = self.stack.service(inputs.service)
        state = self.ports.host.service(service.ecs_service)
        if state.task_definition == seen.task_definition and not service.pinned_tag:
            return True
        return bool(seen.digest) and state.images.get(service.container, "").endswith(f"@{seen.digest}")


def _is_of(task: TaskState, service: Service, seen: Seen) -> bool:
    """Whether the task is of the image that was seen; where its digest is not known, of its task definition."""
    if seen.digest:
        return task.digest_of(service.container) == seen.digest
    return task.task_definition == seen.task_definition and not service.pinned_tag
