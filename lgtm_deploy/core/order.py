"""Does a plan keep the order in which no service dies? Judged on the graph that runs, whatever its author wrote."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.graph import Fault, Graph, Node
from lgtm_deploy.core.guard import TARGET_GROUPS
from lgtm_deploy.core.plan import Plan
from lgtm_deploy.core.reference import references
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.core.step import Part, Step
from lgtm_deploy.core.tracing import Trace

# In these sequences the health check moves before the new tasks are there, and the old ones pass it all the same.
_EARLY = frozenset({"flip-first", "expand-contract"})
# What these steps need to know of a service that Terraform releases.
_TAKES: Mapping[Part | None, tuple[str, ...]] = {
    Part.PROBE: ("releases", "plans"),
    Part.PUSH: ("releases",),
    Part.DEPLOY: ("releases",),
}
_IN_PLACE = ("update",)
_WILD = "*?["


def misordered(plan: Plan, graph: Graph, catalog: Mapping[str, type[Step]]) -> list[Fault]:
    """Where the graph breaks the order: an image is tried out, pushed, deployed, its new tasks are known to answer, and
    only then may a health check move.

    `graph` is the plan's own or what a run uses of it. The plan has no other faults.
    """
    return list(dict.fromkeys(_Order(Trace(plan, graph, catalog)).faults()))


def enforce(plan: Plan, graph: Graph, catalog: Mapping[str, type[Step]]) -> None:
    """Raises UsageError when the graph that a run is about to use breaks the order."""
    for fault in misordered(plan, graph, catalog):
        raise UsageError(fault.message, resolution=fault.resolution)


def uncovered(plan: Plan, stack: Stack, catalog: Mapping[str, type[Step]]) -> list[Fault]:
    """What only the stack can tell: no health check waits for coupled services, so that none of them may be one whose
    own health check Terraform moves."""
    if all(catalog[spec.uses].part is not Part.HEALTH_CHECK for spec in plan.steps.values()):
        return []
    return [
        Fault(
            path=("coupled", position),
            message=f"'{name}' is coupled, but Terraform moves its own health check"
            f" (variable {stack.services[name].health.variable}).",
            resolution="Name it under 'services'.",
        )
        for position, name in enumerate(plan.coupled)
        if name in stack.services and stack.services[name].health.variable
    ]


def unplanned(plan: Plan, stack: Stack, catalog: Mapping[str, type[Step]]) -> list[Fault]:
    """Return the steps that release a service of Terraform's without the plan of its root."""
    named = [name for name in (*plan.services, *plan.coupled) if name in stack.services]
    theirs = [name for name in named if stack.services[name].task_definition]
    if not theirs:
        return []
    return [
        Fault(
            path=("steps", spec.id, "with"),
            message=f"Step '{spec.id}' takes no `{name}`, and Terraform releases {', '.join(theirs)}.",
            resolution=f"Give it the `{name}` of a plan-task-definitions step, as plans/prefix-change.yaml does.",
        )
        for spec in plan.steps.values()
        for name in _TAKES.get(catalog[spec.uses].part, ())
        if name not in spec.with_
    ]


def turns(plan: Plan, graph: Graph, stack: Stack, catalog: Mapping[str, type[Step]]) -> Mapping[str, str]:
    """Return the deployment that each deployment waits for beside its needs, by their ids.

    Services of one Terraform root are released one at a time, in the order of the graph. A node comes after what it
    needs there, so that nobody waits in a circle.
    """
    trace = Trace(plan, graph, catalog)
    found: dict[str, str] = {}
    last: dict[str, str] = {}
    for node in trace.all_of(Part.DEPLOY):
        service = stack.services.get(trace.service(node) or "")
        root = service.task_definition if service else ""
        if root in last:
            found[node.id] = last[root]
        if root:
            last[root] = node.id
    return found


@dataclass(frozen=True)
class _Order:
    trace: Trace

    def faults(self) -> Iterator[Fault]:
        checks: Mapping[Part, Callable[[Node], Iterator[Fault]]] = {
            Part.PROBE: self._image_faults,
            Part.PUSH: self._push_faults,
            Part.DEPLOY: self._deploy_faults,
            Part.TASK_GATE: self._gate_faults,
            Part.HEALTH_CHECK: self._health_check_faults,
        }
        for node in self.trace.graph.nodes.values():
            for need in node.needs:
                if need not in self.trace.graph.nodes:
                    yield _fault(node, "needs", f"Step '{node.id}' needs '{need}', which this run leaves out.")
            part = self.trace.part(node)
            if part is None:
                continue
            if part is not Part.HEALTH_CHECK and self.trace.service(node) is None:
                yield _fault(
                    node,
                    "service",
                    f"Which service step '{node.id}' works on cannot be told before it runs.",
                    "Write the service's name, or ${{ each }}.",
                )
            else:
                yield from checks[part](node)

    def _push_faults(self, node: Node) -> Iterator[Fault]:
        found = list(self._image_faults(node))
        yield from found
        if found:
            return
        probes = (each for each in self.trace.of(Part.PROBE, node) if each.id in self.trace.before[node.id])
        if not any(self.trace.same(node, probe, "image", "tag") for probe in probes):
            yield _fault(
                node,
                "needs",
                f"Step '{node.id}' pushes an image that no probe-image step before it has tried out.",
                "Let it need a probe-image step of the same service and the same build.",
            )

    def _image_faults(self, node: Node) -> Iterator[Fault]:
        """Image and tag come from one step, and that step is the same service's."""
        service = self.trace.service(node)
        image, tag = self.trace.origin(node, "image"), self.trace.origin(node, "tag")
        maker = self.trace.graph.nodes.get(image[0]) if image and tag and image[0] == tag[0] else None
        if maker is None:
            message = f"Image and tag of step '{node.id}' do not come from one step that makes them."
        elif self.trace.service(maker) != service:
            message = f"The image of step '{node.id}' is not {service}'s: it comes from '{maker.id}'."
        else:
            return
        yield _fault(node, "image", message, f"Take both from the build-image step of {service}.")

    def _deploy_faults(self, node: Node) -> Iterator[Fault]:
        push = self.trace.maker(node, "digest", Part.PUSH)
        if push is None or not self.trace.made_by(push, node, "digest", "reference"):
            service = self.trace.service(node)
            yield _fault(
                node,
                "digest",
                f"Step '{node.id}' deploys an image that no push of {service} before it has given.",
                f"Take digest and reference from the push-image step of {service}.",
            )

    def _gate_faults(self, node: Node) -> Iterator[Fault]:
        deploy = self.trace.maker(node, "deployment", Part.DEPLOY)
        if deploy is None or not self._watches(node, deploy):
            service = self.trace.service(node)
            yield _fault(
                node,
                "deployment",
                f"Step '{node.id}' does not watch a deployment of {service} that comes before it.",
                f"Take deployment and task definition from {service}'s deploy-service step, and the digest from the"
                " push-image step that this one takes it from.",
            )

    def _health_check_faults(self, node: Node) -> Iterator[Fault]:
        if self._is_early_on_purpose(node) or not self._may_move(node):
            return
        # Coupled services follow a path that moves; their own health checks stay.
        named = dict.fromkeys((*self.trace.plan.services, *self.trace.deployed))
        services = [each for each in named if each not in self.trace.plan.coupled]
        if not services:
            yield _fault(
                node,
                "uses",
                f"Step '{node.id}' may move health checks, and the plan names no service whose tasks it waits for.",
                "Name the services, or leave health checks out of what the Terraform plan's 'allow' permits.",
            )
        for service in services:
            deploys = [each for each in self.trace.all_of(Part.DEPLOY) if self.trace.service(each) == service]
            ungated = [each.id for each in deploys if not self._is_gated(node, each)]
            what = f"Step '{node.id}' may move {service}'s health check"
            if not deploys:
                yield _fault(
                    node,
                    "needs",
                    f"{what}, and the plan does not deploy {service} before it.",
                    f"Deploy {service} and wait for its tasks, or take it out of the plan's services.",
                )
            for deploy in ungated:
                yield _fault(
                    node,
                    "needs",
                    f"{what} before the tasks of '{deploy}' are known to answer on the new path.",
                    f"Let it need an await-tasks step that watches '{deploy}'.",
                )

    def _is_gated(self, node: Node, deploy: Node) -> bool:
        """Whether a gate that watches the deployment comes between it and the node."""
        before = self.trace.before
        return any(
            gate.id in before[node.id] and deploy.id in before[gate.id] and self._watches(gate, deploy)
            for gate in self.trace.of(Part.TASK_GATE, deploy)
        )

    def _watches(self, gate: Node, deploy: Node) -> bool:
        watched = self.trace.made_by(deploy, gate, "deployment", "task_definition")
        return watched and self.trace.same(gate, deploy, "digest")

    def _may_move(self, node: Node) -> bool:
        """Whether the saved plan that the node works with may change a health check, by what the step that made it
        allows. A plan that comes from elsewhere may do anything."""
        origins = [self.trace.origin(node, name) for name in ("plan", "sha256", "changes")]
        makers = {each[0] if each else "" for each in origins}
        maker = self.trace.graph.nodes.get(makers.pop()) if len(makers) == 1 else None
        if maker is None or maker.spec.with_.get("root") != node.spec.with_.get("root"):
            return True
        allow = maker.spec.with_.get("allow")
        if not isinstance(allow, list | tuple) or any(references(allow)) or any(map(_reaches_health, allow)):
            return True
        # A plan that it was given and passes on is what the step before it allows.
        return "plan" in maker.spec.with_ and self._may_move(maker)

    def _is_early_on_purpose(self, node: Node) -> bool:
        """Whether it acts only in sequences that move the health check first, and the plan permits these. Which one it
        is must be another step's finding and not the author's word."""
        sequences = node.spec.with_.get("sequences")
        found = self.trace.origin(node, "sequence")
        if not isinstance(sequences, list | tuple) or not sequences or found is None or found[1] != "sequence":
            return False
        return _EARLY.issuperset(sequences) and set(self.trace.plan.allow_sequence).issuperset(sequences)


def _reaches_health(allowance: Any) -> bool:
    """Whether an allowance of a Terraform plan lets a target group's health check change. One not understood does."""
    if not isinstance(allowance, Mapping):
        return True
    kind = allowance.get("type")
    if not isinstance(kind, str) or any(mark in kind for mark in _WILD):
        return True
    if kind not in TARGET_GROUPS:
        return False
    actions = allowance.get("actions", _IN_PLACE)
    # Attributes are those of an update: whatever is destroyed or made anew has its health check anew, too.
    if not isinstance(actions, list | tuple) or not set(map(str, actions)) <= set(_IN_PLACE):
        return True
    attributes = allowance.get("attributes")
    if not isinstance(attributes, list | tuple) or not attributes:
        return True
    roots = [str(each).partition(".")[0].partition("[")[0] for each in attributes]
    return any(root in ("", "health_check") or any(mark in root for mark in _WILD) for root in roots)


def _fault(node: Node, name: str, message: str, resolution: str = "") -> Fault:
    where = (name,) if name in ("needs", "uses") else ("with", name)
    return Fault(path=("steps", node.spec.id, *where), message=message, resolution=resolution)
