"""Task definitions that are copied from the running revision, with the new image by digest."""

from dataclasses import replace

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.ports import Progress, ServiceState
from lgtm_deploy.core.step import Change, Nothing, Proposal
from lgtm_deploy.steps.deployment import Inputs, Seen, TaskDefinitions
from lgtm_deploy.steps.results import Deployment


class LiveTaskDefinitions(TaskDefinitions):
    """A new revision that names the image by digest.

    Where the stack pins a mutable tag, the revision that names it is deployed again by force, and the gate after it
    checks which digest runs: a tag is resolved once per deployment (ECS developer guide, container image resolution).
    """

    def propose(self, inputs: Inputs, seen: Seen) -> Proposal[Deployment]:
        """Nothing when the service is on this digest. Gates go by its deployment: without one it is made."""
        pinned = self.stack.service(inputs.service).pinned_tag
        there = (seen.digest == inputs.digest or seen.begun) if pinned else seen.image == inputs.reference
        # What became of this step's own deployment is for the gates to say.
        if seen.deployment and there and (seen.begun or not seen.ended):
            return Nothing(outputs=inputs.started(seen.deployment, seen.task_definition))
        return Change(
            summary=f"deploy {inputs.service} {inputs.digest}",
            details=(f"runs now: {seen.image}", f"will run: {inputs.reference}"),
        )

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> Deployment:
        """Raises InDoubtError when the answer is lost."""
        service = self.stack.service(inputs.service)
        host = self.ports.host
        address, _, by_digest = seen.image.partition("@")
        if service.pinned_tag and not by_digest:
            deployment = host.update(service.ecs_service, force=True)
            return inputs.started(deployment, seen.task_definition)
        # A rollback leaves a digest where the pinned tag was named: no force would have that resolved anew.
        reference = f"{address}:{service.pinned_tag}" if service.pinned_tag else inputs.reference
        revision = host.revise(service.ecs_service, {service.container: reference})
        deployment = host.update(service.ecs_service, task_definition=revision)
        return inputs.started(deployment, revision)

    def go_back(self, inputs: Inputs, seen: Seen, state: ServiceState, progress: Progress, *, ended: bool) -> None:
        """Deploys the earlier revision, unless ECS's own rollback has done so; a mutable tag comes back by digest."""
        service = self.stack.service(inputs.service)
        if self.is_back(inputs, seen, state) and not ended:
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
        elif not self.ports.host.is_registered(revision):
            # Terraform deregisters what it replaces, also where the service ignores that: a copy comes back.
            revision = self.ports.host.revise(service.ecs_service, {service.container: seen.image})
        # Where ECS has it back in name only, the same revision has to be deployed once more.
        force = ended and revision == state.task_definition
        self.ports.host.update(service.ecs_service, task_definition=revision, force=force)

    def is_back(self, inputs: Inputs, seen: Seen, state: ServiceState) -> bool:
        """The earlier revision is there, or a copy of it, or its image by digest."""
        service = self.stack.service(inputs.service)
        now = state.images.get(service.container, "")
        if not service.pinned_tag and state.task_definition == seen.task_definition:
            return True
        if bool(seen.digest) and now.endswith(f"@{seen.digest}"):
            return True
        is_copy = not service.pinned_tag and now == seen.image
        return is_copy and not self.ports.host.is_registered(seen.task_definition)

    def recall(self, seen: Seen, first: Seen) -> Seen:
        """A deployment by force leaves no trace but itself: its digest is not known at once."""
        return replace(seen, begun=seen.deployment != first.deployment)

    def quiesce(self, seen: Seen, progress: Progress) -> None:
        """Nothing: AWS has done at once what it was asked for."""

    def wrong_image(self, seen: Seen, digest: str) -> str:
        """Nothing: the earlier revision names what ran."""
        return ""
