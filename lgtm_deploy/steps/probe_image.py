"""probe-image: what does the new image answer, beside the one that runs, before anybody depends on it?"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, TypeGuard

from lgtm_deploy.core.contract import Contract, Trial
from lgtm_deploy.core.errors import MissingToolError, PermanentError, RefusedError, TransientError
from lgtm_deploy.core.further_groups import asks_service, failed, further_names, paths_of
from lgtm_deploy.core.handover import cause_under_prefix
from lgtm_deploy.core.ports import ContainerSpec, PlannedChanges, Progress, TargetGroup
from lgtm_deploy.core.read_changes import lost_reads
from lgtm_deploy.core.retry import retry
from lgtm_deploy.core.stack import Service
from lgtm_deploy.core.step import Action, Change, Effect, Nothing, Part, Proposal
from lgtm_deploy.core.task_group import TaskGroup
from lgtm_deploy.core.terraform_release import Release, planned_container
from lgtm_deploy.core.trial import lacks, losses, questions, table
from lgtm_deploy.steps.build_image import build_request
from lgtm_deploy.steps.deployment import release_of
from lgtm_deploy.steps.plan_task_definitions import SavedFile
from lgtm_deploy.steps.results import BuiltImage, TestedImage
from lgtm_deploy.steps.rollouts import running_digest
from lgtm_deploy.steps.target_groups import group_of
from lgtm_deploy.steps.terraform_roots import folder, readied
from lgtm_deploy.steps.trying import PATIENCE, Subject, Tried, try_out

_NEW, _OLD = "new image", "running image"
# Both begin together, and pulling the running one takes a moment: so many seconds after the new one has failed.
_AS_SOON = 10.0
# So many faults are told; a prefix that breaks every path makes more than anybody reads.
_FAULTS = 4
_SKIP = "Or leave the trial out, with `rehearsal.skip` and a reason in the stack file."


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """`built` is the image to try.

    `releases` are the services that Terraform releases, `plans` the saved plans of their roots.
    """

    built: BuiltImage
    releases: Mapping[str, Release]
    plans: Mapping[str, SavedFile]

    @property
    def service(self) -> str:
        """Its name in the stack file."""
        return self.built.service

    @property
    def image(self) -> str:
        """The id in the local engine; empty when the registry is known to have the tag."""
        return self.built.image

    @property
    def tag(self) -> str:
        """The image's tag in the registry."""
        return self.built.tag


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The digest that the tag names in the registry, the one that the service runs, each empty where there is none;
    what the load balancer checks now, by which codes, and how many seconds it waits for an answer (0: not known)."""

    digest: str
    running: str
    path: str
    matcher: str
    timeout: int = 0


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """`tested` is the image, `contract` what both images answer, `told` the same in lines."""

    tested: TestedImage
    contract: Contract
    told: tuple[str, ...]


class ProbeImage(Action[Inputs, Seen, Outputs]):
    """Starts the new image and the one that runs now, as the task definition would, on networks that lead nowhere, and
    asks both the same. Images have no shell: they are asked from outside. Where Terraform releases the service, the new
    image is started as the planned task definition would start it.

    It refuses an image that exits, that does not get ready, that does not do what the stack file expects, or that no
    longer answers what somebody depends on: paths of the stack file and of listener rules, and those that read data.
    """

    effect: ClassVar[Effect] = Effect.LOCAL
    part: ClassVar[Part | None] = Part.PROBE
    takes = Inputs
    sees = Seen
    gives = Outputs

    def observe(self, inputs: Inputs) -> Seen:
        """Raises NotFoundError: no such service, target group or repository."""
        service = self.stack.service(inputs.service)
        state = self.ports.host.service(service.ecs_service)
        running = running_digest(self.ports.rollouts, service, state)
        group = group_of(self.ports.balancer, service)
        check = group.health_check if group else None
        digest = self.ports.registry.digest_of(service.repository, inputs.tag)
        if check is None:
            # Nobody asks it: both images are asked what the stack file says.
            return Seen(digest=digest or "", running=running, path=service.health.path, matcher="200")
        return Seen(digest=digest or "", running=running, path=check.path, matcher=check.matcher, timeout=check.timeout)

    def propose(self, inputs: Inputs, seen: Seen) -> Proposal[Outputs]:
        """Nothing when the service runs this very image as it will be started, or the stack file says that it is not
        tried. Raises RefusedError: Terraform releases it, and the plan file does not say how."""
        service = self.stack.service(inputs.service)
        skipped = service.rehearsal.skip
        if seen.digest and seen.digest == seen.running and not release_of(service, inputs.releases).changes:
            skipped = f"{service.name} runs this image already"
        if skipped:
            contract = Contract(old_path=seen.path, new_path=service.health.path, skipped=skipped)
            told = (f"{service.name} is not tried out: {skipped}",)
            return Nothing(outputs=Outputs(tested=_tested(inputs), contract=contract, told=told))
        return Change(summary=f"try out {service.repository}:{inputs.tag} beside the image that runs")

    def apply(self, inputs: Inputs, seen: Seen, progress: Progress) -> Outputs:
        """Raises RefusedError with what is wrong with the new image."""
        service = self.stack.service(inputs.service)
        further = self._further(service)
        running = self.ports.host.container(service.ecs_service, service.container)
        subject = self._subject(service, seen, further, self._planned(inputs, running))
        beside = replace(subject, name=_OLD, spec=self._started(service, running), patience=0.0)
        new, old = self._both(subject, beside, inputs, seen, progress)
        if isinstance(new, MissingToolError):
            said = f"{service.name}'s new image cannot be tried out on this machine: {new.message}"
            raise RefusedError(said, resolution=f"{new.resolution} {_SKIP}".lstrip()) from new
        if not isinstance(new, Tried):
            raise new
        contract = Contract(
            old_path=seen.path,
            new_path=service.health.path,
            new=new.trial,
            old=old.trial if isinstance(old, Tried) else Trial(),
        )
        wrong = [
            *new.unmet,
            *losses(service, contract, subject.questions.routed),
            *lost_reads(service, contract),
            *failed(service, further, new.trial),
        ]
        if new.fails:
            alike = f"the image that runs now fails here alike: it {old.failure}" if _alike(old, new) else ""
            wrong = [*filter(None, (self._not_running(service, subject.spec, new), alike))]
        if wrong:
            cause = cause_under_prefix(service, (*new.trial.replies, *new.trial.reads))
            more = (f"and {len(wrong) - _FAULTS} more",) if len(wrong) > _FAULTS else ()
            told = "; ".join((*wrong[:_FAULTS], *more))
            raise RefusedError(f"{service.name}'s new image: {told}.", resolution=cause or _resolution(new, old))
        return Outputs(tested=_tested(inputs), contract=contract, told=_told(service, contract, old))

    def _further(self, service: Service) -> tuple[TargetGroup, ...]:
        """Target groups beside the stack file's that will ask the new image, too."""
        balancer, state = self.ports.balancer, self.ports.host.service(service.ecs_service)
        group = group_of(balancer, service)
        if group is None:
            return ()
        names = further_names(state, group)
        groups = [balancer.target_group(name) for name in names]
        return tuple(group for group in groups if asks_service(group, service, state))

    def _planned(self, inputs: Inputs, running: ContainerSpec) -> ContainerSpec:
        """How the new image's container will be started: by the planned task definition, or as the running one is."""
        service = self.stack.service(inputs.service)
        release = release_of(service, inputs.releases)
        if not release.root:
            return running
        root, infrastructure = folder(self.stack, release.root), self.ports.infrastructure
        readied(self.stack, self.ports, release.root, lambda _: None)
        saved = inputs.plans.get(release.root)
        if saved is None and release.changes:
            raise PermanentError(f"The plan of Terraform root '{release.root}' is not given to probe-image.")
        document: Mapping[str, object] = {}
        if saved is not None:
            planned = PlannedChanges(file=Path(saved.plan), sha256=saved.sha256, changes=())
            document = infrastructure.shown(root, planned)
        return planned_container(release, service.container, infrastructure.attributes(root), document)

    def _started(self, service: Service, spec: ContainerSpec) -> ContainerSpec:
        """The container with what ECS and the stack file's rehearsal add to its environment."""
        # What ECS sets on Fargate ; without a region an SDK does not even look for a bucket.
        region = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), self.stack.environment.region)
        return replace(spec, environment={**region, **spec.environment, **service.rehearsal.environment})

    def _subject(self, service: Service, seen: Seen, further: Sequence[TargetGroup], spec: ContainerSpec) -> Subject:
        balancer = self.ports.balancer
        group = found.arn if (found := group_of(balancer, service)) else ""
        environment = self.stack.environment
        rules = balancer.rules(environment.load_balancer) if environment.load_balancer else ()
        return Subject(
            name=_NEW,
            image="",
            spec=self._started(service, spec),
            port=service.port,
            questions=questions(
                service, seen.path, rules, group, further=paths_of(further), now=self.ports.clock.now().timestamp()
            ),
            health=service.health,
            matcher=seen.matcher,
            timeout=seen.timeout,
            tenant=self.stack.tenant_of(service),
            within=service.rehearsal.ready_within,
            patience=PATIENCE,
        )

    def _both(
        self, subject: Subject, running: Subject, inputs: Inputs, seen: Seen, progress: Progress
    ) -> tuple[Tried | PermanentError, Tried | PermanentError | None]:
        registry, service = self.ports.registry, self.stack.service(inputs.service)

        def of_new(tell: Progress) -> AbstractContextManager[str]:
            return nullcontext(inputs.image) if inputs.image else registry.pulled(service.repository, seen.digest, tell)

        def of_old(tell: Progress) -> AbstractContextManager[str]:
            return registry.pulled(service.repository, seen.running, tell)

        with TaskGroup[Tried | PermanentError](progress) as trials:
            trial = trials.start(lambda tell: self._tried(subject, of_new, tell))
            beside = None
            if seen.running:
                beside = trials.start(lambda tell: self._tried_beside(running, of_old, tell))
            new = trials.result(trial)
            if beside is None or not isinstance(new, Tried):
                return new, None
            # Of a new image that fails it only matters whether the other one fails as soon.
            return new, trials.within(_AS_SOON, beside) if new.fails else trials.result(beside)

    def _tried_beside(
        self, subject: Subject, image: Callable[[Progress], AbstractContextManager[str]], progress: Progress
    ) -> Tried | PermanentError:
        """The image that runs: what hinders its trial twice is told, and hinders the new one's no more."""
        try:
            return retry(lambda: self._tried(subject, image, progress), (0.0,), TransientError, lambda _: None)
        except TransientError as error:
            return PermanentError(error.message)

    def _tried(
        self, subject: Subject, image: Callable[[Progress], AbstractContextManager[str]], progress: Progress
    ) -> Tried | PermanentError:
        with ExitStack() as held:
            try:
                found = held.enter_context(image(progress))
                return try_out(replace(subject, image=found), self.ports.image_probe, self.ports.clock, progress)
            except RefusedError:
                raise
            except PermanentError as error:
                return error

    def _not_running(self, service: Service, spec: ContainerSpec, tried: Tried) -> str:
        """Why the new image does not get as far as being asked, and what it may lack."""
        state = self.ports.host.service(service.ecs_service)
        taken = self.ports.builder.variables(build_request(self.stack, service, state.platform))
        missing = [name for name in taken if name not in tried.variables]
        secrets = [name for name in self.ports.image_probe.unknown(spec.secrets) if name not in spec.environment]
        return "; ".join(filter(None, (tried.failure, lacks(missing, secrets))))


def _tested(inputs: Inputs) -> TestedImage:
    return TestedImage(service=inputs.service, image=inputs.image, tag=inputs.tag)


def _alike(old: Tried | PermanentError | None, new: Tried) -> TypeGuard[Tried]:
    """Whether the running image, which works where it runs, fails here in the same way."""
    if not isinstance(old, Tried) or not (new.fails and old.fails):
        return False
    return (new.ended and new.ended.exit_code) == (old.ended and old.ended.exit_code)


def _resolution(tried: Tried, old: Tried | PermanentError | None) -> str:
    if not tried.fails:
        return "Correct the config or the stack file's `expects` and `paths`."
    if _alike(old, tried):
        return (
            "This machine lacks something that both need, such as a bucket: trials reach nobody. Let "
            "`rehearsal.environment` in the stack file point the config to something local, or leave the trial out "
            "with `rehearsal.skip` and a reason."
        )
    return (
        "Correct the config; where only this machine lacks something, set `rehearsal` in the stack file, or a secret's "
        "environment variable."
    )


def _told(service: Service, contract: Contract, old: Tried | PermanentError | None) -> tuple[str, ...]:
    lines = [
        f"{service.name}: the new image was ready after {contract.new.ready_seconds:.1f} s",
        *table(service, contract),
    ]
    if not contract.new.on(contract.new_path).healthy:
        lines.append(f"the new image is not healthy on {contract.new_path}, which the load balancer is to check")
    if isinstance(old, PermanentError):
        lines.append(f"the image that runs now could not be tried out here: {old.message}")
    elif old is None:
        lines.append("no image runs now that could be tried out")
    elif old.ended is not None:
        lines.append(f"the image that runs now could not be tried out here: it {old.failure}")
    elif old.wrong:
        lines.append(f"the image that runs now {old.wrong}")
    return tuple(lines)
