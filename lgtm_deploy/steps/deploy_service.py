"""deploy-service: the service on another image, by one deployment."""

from http import HTTPStatus
from typing import ClassVar

from lgtm_deploy.core.errors import TransientError
from lgtm_deploy.core.gate import Gate, Open, Shut, Waiting
from lgtm_deploy.core.ports import Progress, TaskState
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.step import Action, Part, Proposal
from lgtm_deploy.steps.deploy_live import LiveTaskDefinitions
from lgtm_deploy.steps.deploy_terraform import TerraformTaskDefinitions
from lgtm_deploy.steps.deployment import (
    CAME_TO_NOTHING,
    Inputs,
    Seen,
    TaskDefinitions,
    newest,
    release_of,
)
from lgtm_deploy.steps.results import Deployment
from lgtm_deploy.steps.rollouts import running_digest
from lgtm_deploy.steps.target_groups import checked_path

__all__ = ["DeployService", "Inputs", "Seen"]

_POLL = 0.5
# How old an earlier task must be before it counts where it cannot be asked, in seconds.
_UNSEEN_SECONDS = 60.0


class DeployService(Action[Inputs, Seen, Deployment]):
    """A new task definition revision with the image, and one deployment of it.

    The stack file says which source a service's revisions come from: copies of the running one, or Terraform.
    """

    retreats: ClassVar[bool] = True
    part: ClassVar[Part | None] = Part.DEPLOY
    takes = Inputs
    sees = Seen
    gives = Deployment

    def observe(self, inputs: Inputs) -> Seen:
        """Raises NotFoundError when there is no such service."""
        service = self.stack.service(inputs.service)
        state = self.ports.host.service(service.ecs_service)
        found = newest(self.ports, state)
        return Seen(
            task_definition=state.task_definition,
            image=state.images.get(service.container, ""),
            deployment=state.deployment,
            digest=running_digest(self.ports.rollouts, service, state),
            path=checked_path(self.ports.balancer, service),
            ended=found.status if found is not None and found.status in CAME_TO_NOTHING else "",
            release=release_of(service, inputs.releases),
            grace=state.grace_period_seconds,
        )

    def recall(self, seen: Seen, first: Seen) -> Seen:
        """Whether its own deployment has begun since the first look."""
        return self._source(first).recall(seen, first)

    def propose(self, inputs: Inputs, seen: Seen) -> Proposal[Deployment]:
        """Nothing when the service is on this digest. Gates go by its deployment: without one it is made."""
        return self._source(seen).propose(inputs, seen)

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> Deployment:
        """Raises InDoubtError when the answer is lost."""
        return self._source(seen).apply(inputs, seen, progress)

    def quiesce(self, inputs: Inputs, seen: Seen, progress: Progress) -> None:
        """Waits for what an earlier process began. Raises what a Terraform plan raises."""
        self._source(seen).quiesce(seen, progress)

    def superseded(self, inputs: Inputs, seen: Seen, outputs: Deployment | None) -> str:
        """The newest deployment, when it is neither this step's own nor the one that was there before."""
        service = self.stack.service(inputs.service)
        state = self.ports.host.service(service.ecs_service)
        if self._source(seen).is_back(inputs, seen, state):
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
        """Deploys what ran before, unless ECS's own rollback has done so. Raises PermanentError: it cannot."""
        state = self.ports.host.service(self.stack.service(inputs.service).ecs_service)
        found = newest(self.ports, state)
        ended = found is not None and found.status in CAME_TO_NOTHING
        self._source(seen).go_back(inputs, seen, state, progress, ended=ended)

    def thing(self, inputs: Inputs) -> str:
        """What the service runs."""
        return f"revision of {inputs.service}"

    def restored(self, inputs: Inputs, seen: Seen) -> Gate[None]:
        """Open once the earlier digest runs and its deployment is complete."""
        service = self.stack.service(inputs.service)
        state = self.ports.host.service(service.ecs_service)
        source = self._source(seen)
        if not state.deployment and source.is_back(inputs, seen, state):
            return Open(outputs=None)
        if not state.deployment:
            return Waiting(reason=f"{inputs.service} has no deployment; going back to {seen.digest[:19]}")
        deployment = self.ports.rollouts.deployment(state.deployment)
        digest = deployment.digests.get(service.container, "")
        now = f"{inputs.service} is on {digest[:19] or 'no image yet'}, {deployment.status}"
        if deployment.status in ("ROLLBACK_SUCCESSFUL", "SUCCESSFUL") and source.is_back(inputs, seen, state):
            if wrong := source.wrong_image(seen, digest):
                return Shut(reason=f"{inputs.service} is not back: {wrong}")
            return Open(outputs=None, since=deployment.finished_at)
        if deployment.status in CAME_TO_NOTHING:
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

    def _source(self, seen: Seen) -> TaskDefinitions:
        kind = TerraformTaskDefinitions if seen.release.root else LiveTaskDefinitions
        return kind(self.stack, self.ports)

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


def _is_of(task: TaskState, service: Service, seen: Seen) -> bool:
    """Whether the task is of the image that was seen; where its digest is not known, of its task definition."""
    if seen.digest:
        return task.digest_of(service.container) == seen.digest
    return task.task_definition == seen.task_definition and not service.pinned_tag
