"""The example stack in a cloud in memory, where waiting takes no time."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lgtm_deploy.config import plan_file, stack_file
from lgtm_deploy.core.event import Event
from lgtm_deploy.core.graph import Graph
from lgtm_deploy.core.order import turns
from lgtm_deploy.core.plan import Hook, Plan
from lgtm_deploy.core.ports import Login
from lgtm_deploy.core.preview import Preview
from lgtm_deploy.core.recipe import build
from lgtm_deploy.core.run import Run
from lgtm_deploy.core.stack import Health, Paths, Probe, Service, Stack
from lgtm_deploy.engine.cancellation import CancellationToken
from lgtm_deploy.engine.conduct import Decisions, conduct, foresee
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.journal_writer import JournalWriter
from lgtm_deploy.fakes import FakeClock, FakeCloud, FakeJournal, FakeService, fake_ports, lay
from lgtm_deploy.recipes.registry import BUNDLED
from tests.stacks import make_service

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "lgtm-stack" / "lgtm-deploy.yaml"
# Both move their health check.
BOTH = ("portal", "pyroscope")
PORTAL = make_service(
    name="portal",
    kind="other",
    context="dockerfiles/portal",
    version="1.0",
    repository="lgtm-portal",
    ecs_service="lgtm-prod-portal",
    container="portal",
    port=8000,
    target_group="lgtm-prod-portal-tg",
    prefix="/portal",
    health=Health(
        path="/portal/ready",
        body="ready",
        variable="portal_health_check_path",
        matcher_variable="portal_health_check_matcher",
        unhealthy_threshold_variable="portal_unhealthy_threshold",
    ),
    paths=Paths(moves=("/ready", "/metrics", "/echo", "/list")),
    probes=(Probe(path="/portal/echo", body="echo"),),
    expects=(Probe(path="/portal/echo", body="echo"), Probe(path="/portal/list")),
)


# A round of waiting for other threads, in seconds, and how many there are at most.
_ROUND = 0.0005
_MOST_ROUNDS = 2000


def copy_example(folder: Path) -> None:
    """A checkout of the example in a new folder, whose Terraform roots have lock files as a team's have."""
    shutil.copytree(EXAMPLE.parent, folder, ignore=shutil.ignore_patterns(".lgtm-deploy", ".terraform"))
    for backend in folder.glob("terraform/environments/*/*/backend.tf"):
        (backend.parent / ".terraform.lock.hcl").touch()


class EventfulClock(FakeClock):
    """Calls `meanwhile` whenever time has passed."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self.meanwhile()


class SimulatedToken(CancellationToken):
    """Lets the cloud's time pass in place of a pause."""

    def __init__(self, clock: FakeClock, parent: CancellationToken | None = None, *, shielded: bool = False) -> None:
        super().__init__(parent, shielded=shielded)
        self._clock = clock

    def child(self) -> CancellationToken:
        return SimulatedToken(self._clock, self)

    def shield(self) -> CancellationToken:
        return SimulatedToken(self._clock, self, shielded=True)

    def pause(self, seconds: float) -> None:
        self.check(patient=False)
        self._clock.advance(seconds)
        _let_others_work()


def _let_others_work() -> None:
    """Return once the other threads of this process compute nothing. They wait then, for the clock or for each other.

    Without this a step that polls would let the time of its siblings run out on a busy machine.
    """
    for _ in range(_MOST_ROUNDS):
        used = time.process_time()
        time.sleep(_ROUND)
        if time.process_time() - used < _ROUND / 4:
            return


def two_moving() -> Stack:
    """The example with a neutral service in Tempo's place, so that two health checks move."""
    stack = stack_file.load(EXAMPLE, "prod")
    others = {name: service for name, service in stack.services.items() if name != "tempo"}
    return replace(stack, services={"portal": PORTAL, **others})


class Simulation:
    """Runs a plan on `two_moving`, or with `whole` on the example as it is, whose services may have been `changed`."""

    def __init__(
        self,
        workspace: Path,
        *,
        pinned_tag: str = "",
        skip: str = "",
        plan: str = "prefix-change",
        changed: Callable[[Service], Service] = lambda each: each,
        whole: bool = False,
    ) -> None:
        stack = stack_file.load(EXAMPLE, "prod") if whole else two_moving()
        services = {
            name: changed(
                replace(
                    service,
                    pinned_tag=pinned_tag,
                    rehearsal=replace(service.rehearsal, skip=skip or service.rehearsal.skip),
                )
            )
            for name, service in stack.services.items()
        }
        # As a sandbox has one: the example keeps no lock files of Terraform.
        environment = replace(stack.environment, endpoint="http://aws.example")
        self.stack: Stack = replace(stack, services=services, environment=environment)
        self.plan: Plan = self.load(plan_file.find(plan, workspace))
        self.clock = EventfulClock()
        self.cloud: FakeCloud = lay(self.stack, self.clock)
        self.journal = FakeJournal()
        self.stop = SimulatedToken(self.clock)
        self.grafana = Login()
        self._workspace = workspace
        self._runs = 0

    def load(self, file: Path) -> Plan:
        """The plan, for the services that this stack has."""
        plan = plan_file.load(file, BUNDLED)
        assert plan.recipe is not None
        moved = tuple(name if name in self.stack.services else "portal" for name in plan.recipe.services)
        return with_options(plan, services=moved)

    @property
    def services(self) -> tuple[str, ...]:
        """Those that the plan changes."""
        assert self.plan.recipe is not None
        return self.plan.recipe.services

    def graph(self) -> Graph:
        """The plan's steps, or what a test makes of them."""
        return build(self.plan, self.stack)

    def job(self) -> Job:
        self._runs += 1
        world = replace(fake_ports(self.stack, self.cloud, self._workspace), grafana=self.grafana)
        graph = self.graph()
        return Job(
            plan=self.plan,
            graph=graph,
            writer=JournalWriter(Run(id=f"run{self._runs}"), self.journal, 1),
            steps={node.id: node.kind(self.stack, world) for node in graph.nodes.values()},
            clock=self.cloud.clock,
            stop=self.stop,
            environment=self.stack.environment.name,
            turns=turns(graph, self.stack),
            stack=self.stack,
        )

    def apply(self, *, roll_back: bool = True, variables: Mapping[str, str] | None = None) -> Run:
        decisions = Decisions(approve=lambda _: True, roll_back=roll_back)
        job = replace(self.job(), variables=variables or {})
        self.last = conduct(job, decisions, no_hook, stack="lgtm", by="me")
        return self.last

    def look_ahead(self) -> Preview:
        return foresee(self.job(), stack="lgtm", by="me")

    @property
    def events(self) -> Sequence[Event]:
        return [record.event for record in self.journal.records(f"run{self._runs}")]

    def service(self, name: str) -> Service:
        return self.stack.service(name)

    def running(self, name: str) -> FakeService:
        return self.cloud.services[self.service(name).ecs_service]

    def paths(self) -> dict[str, str]:
        """What the load balancer asks of each service now."""
        return {name: self.cloud.groups[self.service(name).target_group].health_check.path for name in self.services}

    def tags(self) -> dict[str, str]:
        """The image that each service's newest task definition names."""
        return {name: next(iter(self.images(name).values())) for name in self.services}

    def images(self, name: str) -> Mapping[str, str]:
        host = fake_ports(self.stack, self.cloud, self._workspace).host
        return host.service(self.service(name).ecs_service).images

    def grace(self) -> dict[str, int]:
        host = fake_ports(self.stack, self.cloud, self._workspace).host
        return {name: host.service(self.service(name).ecs_service).grace_period_seconds for name in self.services}


def with_options(plan: Plan, **options: object) -> Plan:
    """The plan with other options of its recipe."""
    assert plan.recipe is not None
    return replace(plan, recipe=plan.recipe.model_copy(update=options))


def no_hook(hook: Hook, told: Mapping[str, str], timeout: float) -> tuple[int, str]:
    return 0, ""
