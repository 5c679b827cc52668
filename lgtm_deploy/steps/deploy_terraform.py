"""Task definitions that a Terraform root manages (docs/adr/031)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lgtm_deploy.core.errors import PermanentError, RefusedError, TransientError
from lgtm_deploy.core.guard import breaches
from lgtm_deploy.core.ports import PlannedChanges, Progress, ServiceState
from lgtm_deploy.core.step import Change, Nothing, Proposal
from lgtm_deploy.core.terraform_release import (
    Release,
    allowed,
    guardable,
    more_replaced,
    released_at,
    resumable,
    scaled,
)
from lgtm_deploy.steps.deployment import Inputs, Seen, TaskDefinitions
from lgtm_deploy.steps.results import Deployment
from lgtm_deploy.steps.rollouts import running_digest
from lgtm_deploy.steps.terraform_roots import (
    apply_plan,
    briefly,
    folder,
    note_running,
    plan_from,
    quiet,
    readied,
    save_plan,
    start_files,
    too_much,
)


class TerraformTaskDefinitions(TaskDefinitions):
    """The revision that the root registers, deployed by Terraform itself or, where Terraform leaves the service alone,
    by an update of the service.

    Each apply makes the next saved plan stale. So a service is planned again right before its apply, with `-target` of
    its two resources, and the plan has to change exactly what was approved. Terraform deregisters the revision that it
    replaces: a rollback never deploys that one, but applies the root's start state for this service.
    """

    def recall(self, seen: Seen, first: Seen) -> Seen:
        """Whether it was applied only another plan can tell."""
        _, now, _ = self._planned(seen.release, briefly(self.ports.clock), purpose="recall")
        return replace(
            seen,
            begun=seen.deployment != first.deployment,
            release=first.release,
            grace=first.grace,
            grace_lost=seen.grace != first.grace,
            applied=not now.changes,
            registered=now.arn,
        )

    def propose(self, inputs: Inputs, seen: Seen) -> Proposal[Deployment]:
        """Nothing when the root has nothing to change and the service runs the digest on the root's revision."""
        release = seen.release
        is_applied = seen.applied or not release.changes
        is_there = seen.task_definition == (seen.registered or release.arn) and not seen.grace_lost
        is_good = seen.begun or (seen.digest == inputs.digest and not seen.ended)
        if is_applied and is_there and seen.deployment and is_good:
            return Nothing(outputs=inputs.started(seen.deployment, seen.task_definition))
        return Change(
            summary=f"deploy {inputs.service} {inputs.digest} by Terraform root '{release.root}'",
            details=(f"runs now: {seen.image}", f"will run: {inputs.reference}", *release.lines),
        )

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> Deployment:
        """Raises PermanentError: what would be applied is not what was approved; InDoubtError: Terraform died on the
        way; TransientError: the deployment has begun, and ECS does not list it yet."""
        service, host = self.stack.service(inputs.service), self.ports.host
        named = self.ports.registry.digest_of(service.repository, seen.release.tag)
        if named != inputs.digest:
            raise PermanentError(
                f"{service.repository}:{seen.release.tag} names another image than was pushed: {named or 'none'}.",
                resolution="Find out who pushes this tag, then apply again.",
            )
        registered = seen.registered if seen.applied else self._applied(seen.release, progress)
        state = host.service(service.ecs_service)
        # Terraform sets the grace period that is committed, and this run may hold another one for a while.
        grace = seen.grace if state.grace_period_seconds != seen.grace else None
        if state.task_definition != registered:
            deployment = host.update(service.ecs_service, task_definition=registered, grace_period_seconds=grace)
            return inputs.started(deployment, registered)
        if not seen.release.deploys and state.deployment == seen.deployment and not seen.begun:
            deployment = host.update(service.ecs_service, force=True, grace_period_seconds=grace)
            return inputs.started(deployment, registered)
        if grace is not None:
            host.update(service.ecs_service, grace_period_seconds=grace)
        listed = self.ports.rollouts.deployment(state.deployment) if state.deployment else None
        if listed is None or listed.task_definition not in ("", registered):
            raise TransientError(f"ECS does not list the deployment of {service.name} yet that Terraform began.")
        return inputs.started(state.deployment, registered)

    def quiesce(self, seen: Seen, progress: Progress) -> None:
        """Waits for a Terraform that outlived its process."""
        if seen.release.changes:
            quiet(self.stack, self.ports, seen.release.root, progress)

    def go_back(self, inputs: Inputs, seen: Seen, state: ServiceState, progress: Progress, *, ended: bool) -> None:
        """Applies the root's start state for this service, and deploys what it registers. A revision that is not the
        root's own ran before where the root ignores task definitions: that one is still registered."""
        release, host = seen.release, self.ports.host
        name = self.stack.service(inputs.service).ecs_service
        known = self._known(release)
        if release.changes and not (
            release.can_tell and not release.still_changed(known) and not self._is_half_way(release, known)
        ):
            self._apply_start(release, progress)
            known = self._known(release)
        target = str(known.get("arn") or "") if seen.task_definition == release.arn else seen.task_definition
        now = host.service(name)
        grace = state.grace_period_seconds if now.grace_period_seconds != state.grace_period_seconds else None
        # Where ECS has it back in name only, the same revision has to be deployed once more.
        force = ended and now.deployment == state.deployment
        if now.task_definition != target or force or grace is not None:
            host.update(name, task_definition=target, force=force, grace_period_seconds=grace)

    def is_back(self, inputs: Inputs, seen: Seen, state: ServiceState) -> bool:
        """The root has the earlier containers, and the service runs them."""
        release = seen.release
        known = self._known(release)
        if release.changes and (release.still_changed(known) or self._is_half_way(release, known)):
            return False
        arn = known.get("arn")
        if state.task_definition != (arn if seen.task_definition == release.arn else seen.task_definition):
            return False
        if not release.changes or release.can_tell or arn == release.arn:
            return True
        # All that changes is sensitive: the state shows nothing that could be compared.
        if seen.digest and seen.digest != inputs.digest:
            return running_digest(self.ports.rollouts, self.stack.service(inputs.service), state) == seen.digest
        return self._is_start(release)

    def wrong_image(self, seen: Seen, digest: str) -> str:
        """A tag may have been moved since."""
        if not digest or not seen.digest or digest == seen.digest:
            return ""
        return f"{seen.image} names {digest[:19]} now, and ran as {seen.digest[:19]}"

    def _applied(self, release: Release, progress: Progress) -> str:
        """Applies what was approved, if it is still what would change; returns the root's revision."""
        root = folder(self.stack, release.root)
        with self.ports.infrastructure.alone(root, progress):
            planned, now, lines = self._planned(release, progress, purpose="release")
            if wrong := too_much(release.root, lines):
                raise PermanentError(wrong, resolution="Undo it in the configuration, then apply again.")
            if differs := release.unlike(now, self._known(release)):
                raise PermanentError(
                    f"Terraform root '{release.root}' would not change what was approved: {'; '.join(differs)}.",
                    resolution="Plan again, and look.",
                )
            if now.changes:
                apply_plan(self.stack, self.ports, release.root, planned, progress)
            return str(self._known(release).get("arn") or "")

    def _planned(
        self, release: Release, progress: Progress, *, purpose: str
    ) -> tuple[PlannedChanges, Release, tuple[str, ...]]:
        """A plan of this service alone: what it changes, and what of that it may not."""
        file = f"{release.name}.{purpose}"
        planned = save_plan(self.stack, self.ports, release.root, {}, progress, purpose=file, targets=release.targets)
        now, lines = self._judged(release, planned)
        return planned, now, lines

    def _judged(
        self, release: Release, planned: PlannedChanges, *, back: bool = False
    ) -> tuple[Release, tuple[str, ...]]:
        state = self.ports.infrastructure.attributes(folder(self.stack, release.root))
        service = self.stack.service(release.name)
        document = resumable(planned.document, release) if planned.document else {}
        try:
            now = released_at(service, release.root, release.targets, state, document)
        except RefusedError as error:
            raise PermanentError(error.message, resolution=error.resolution) from error
        if not document:
            return now, ()
        may = allowed([now], held=True, back=back)
        return now, (*breaches(guardable(document), may), *more_replaced(document, [now]))

    def _apply_start(self, release: Release, progress: Progress) -> None:
        """Raises PermanentError: there is no start state, or it does not lead back.

        Where autoscaling has changed the desired count since, Terraform sets the committed one, and this is told.
        """
        root = folder(self.stack, release.root)
        with self.ports.infrastructure.alone(root, progress), self._start(release, progress) as (here, planned):
            back, lines = self._judged(release, planned, back=True)
            if not back.changes:
                return
            for line in scaled(planned.document, back):
                progress(f"Terraform sets {line}")
            if wrong := too_much(release.root, lines):
                raise PermanentError(wrong)
            if astray := release.astray(back):
                raise PermanentError(f"Terraform root '{release.root}' would not come back: {'; '.join(astray)}.")
            self.ports.infrastructure.apply(here, planned, progress)
        note_running(self.ports, release.root, release.start, progress)

    def _is_half_way(self, release: Release, known: Mapping[str, Any]) -> bool:
        """Whether an apply has deregistered the revision that the state still has, and did not end."""
        return known.get("arn") == release.arn and not self.ports.host.is_registered(release.arn)

    def _is_start(self, release: Release) -> bool:
        try:
            with self._start(release, briefly(self.ports.clock)) as (_, planned):
                return not self._judged(release, planned)[0].changes
        except PermanentError:
            return False

    @contextmanager
    def _start(self, release: Release, progress: Progress) -> Iterator[tuple[Path, PlannedChanges]]:
        """The root's start state in a folder of its own, and its plan for this service alone."""
        root, purpose = release.root, f"{release.name}.start"
        with start_files(self.ports, root, release.start, purpose=purpose) as there:
            progress(f"planning {root} for {release.name} as it was before")
            yield plan_from(self.stack, self.ports, root, there, progress, purpose=purpose, targets=release.targets)

    def _known(self, release: Release) -> Mapping[str, Any]:
        """The task definition, as the root's state has it now."""
        readied(self.stack, self.ports, release.root, lambda _: None)
        return self.ports.infrastructure.attributes(folder(self.stack, release.root)).get(release.definition, {})
