"""What a run would change, told before it changes anything."""

from collections.abc import Mapping
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from lgtm_deploy.core.graph import Node
from lgtm_deploy.core.output import UnknownYetError
from lgtm_deploy.core.preview import Finding, Preview, PreviewLine
from lgtm_deploy.core.step import Action, Change, Effect, Proposal
from lgtm_deploy.core.values import typed
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.gates import DONE
from lgtm_deploy.engine.retrying import repeatedly
from lgtm_deploy.engine.step_runner import plain

ValueT = TypeVar("ValueT")


def beforehand(job: Job) -> frozenset[str]:
    """The nodes that may run before anything is approved: they look or work on this machine only, and so does all that
    they need."""
    found: set[str] = set()
    for node in job.graph.nodes.values():
        if job.steps[node.id].effect is not Effect.REMOTE and found.issuperset(node.needs):
            found.add(node.id)
    return frozenset(found)


def preview(job: Job) -> Preview:
    """What the steps that have not run would change, in order.

    A step that would change nothing has its outputs already, so that what is made of them can be foreseen, too. One
    whose inputs an earlier change decides is named by its title. Raises DeployError: what a step needs to look at is
    not there.
    """
    changing, unchanged = _foreseen(job)
    findings = (
        Finding(step=step.id, lines=tuple(step.outputs["told"]))
        for step in job.run.steps.values()
        if step.outputs.get("told")
    )
    return Preview(
        plan=job.plan.name,
        environment=job.environment,
        lines=tuple(changing[name] for name in job.graph.nodes if name in changing),
        unchanged=tuple(name for name in job.graph.nodes if name in unchanged),
        findings=tuple(findings),
        base_images=job.base_images,
    )


def _foreseen(job: Job) -> tuple[Mapping[str, PreviewLine], Mapping[str, Mapping[str, Any]]]:
    """What would change, and the outputs of what would not. All look at once, but who is told by another where to."""
    changing: dict[str, PreviewLine] = {}
    unchanged: dict[str, Mapping[str, Any]] = {}
    told_by: dict[str, list[Node]] = {}
    todo = [node for node in job.graph.nodes.values() if job.run.steps[node.id].status not in DONE]
    while todo:
        looks = []
        for node in todo:
            if isinstance(step := job.steps[node.id], Action):
                try:
                    inputs = typed(step.takes, job.inputs(node, unchanged))
                except UnknownYetError as unknown:
                    told_by.setdefault(unknown.node, []).append(node)
                else:
                    looks.append(partial(_proposed, job, node, step, inputs))
        todo = []
        from lgtm_deploy.core.task_group import side_by_side  # noqa: PLC0415 - loads logging, which a run does not need

        for node, proposal in side_by_side(lambda look: look(), looks, job.parallelism):
            if isinstance(proposal, Change):
                changing[node.id] = PreviewLine(
                    step=node.id, change=proposal.summary, details=proposal.details, phase=node.phase.value
                )
            else:
                unchanged[node.id] = plain(proposal.outputs)
                todo += told_by.pop(node.id, ())
    for node in chain.from_iterable(told_by.values()):
        changing[node.id] = PreviewLine(step=node.id, change=node.title or node.uses, phase=node.phase.value)
    return changing, unchanged


def _proposed(job: Job, node: Node, step: Action[Any, Any, Any], inputs: Any) -> tuple[Node, Proposal[Any]]:
    return node, step.propose(inputs, repeatedly(lambda: step.observe(inputs), node.retry, job.stop))
