"""What a run would change, told before it changes anything."""

from collections.abc import Mapping
from typing import Any

from lgtm_deploy.core.graph import Node
from lgtm_deploy.core.preview import Finding, Preview, PreviewLine
from lgtm_deploy.core.reference import UnknownYetError, resolve
from lgtm_deploy.core.step import Action, Change, Effect
from lgtm_deploy.core.values import typed
from lgtm_deploy.engine.attempts import plain
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.gates import DONE
from lgtm_deploy.engine.retrying import repeatedly


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

    A step that would change nothing has its outputs already, so that what comes after it can be foreseen too. One whose
    inputs an earlier change decides is named by its title. Raises DeployError: what a step needs to look at is not
    there.
    """
    lines: list[PreviewLine] = []
    unchanged: dict[str, Mapping[str, Any]] = {}
    for node in job.graph.nodes.values():
        step = job.steps[node.id]
        if isinstance(step, Action) and job.run.steps[node.id].status not in DONE:
            found = _foreseen(job, node, step, unchanged)
            if isinstance(found, PreviewLine):
                lines.append(found)
            else:
                unchanged[node.id] = found
    findings = (
        Finding(step=step.id, lines=tuple(step.outputs["told"]))
        for step in job.run.steps.values()
        if step.outputs.get("told")
    )
    return Preview(
        plan=job.plan.name,
        environment=job.environment,
        lines=tuple(lines),
        unchanged=tuple(unchanged),
        findings=tuple(findings),
    )


def _foreseen(
    job: Job, node: Node, step: Action[Any, Any, Any], unchanged: Mapping[str, Mapping[str, Any]]
) -> PreviewLine | Mapping[str, Any]:
    """What the step would change, or its outputs when it would change nothing."""
    scope = job.scope(node, unchanged)
    try:
        inputs = typed(step.takes, resolve(dict(node.spec.with_), scope))
    except UnknownYetError:
        return PreviewLine(step=node.id, change=resolve(node.spec.title or node.spec.uses, scope))
    seen = repeatedly(lambda: step.observe(inputs), node.spec.retry, job.stop)
    proposal = step.propose(inputs, seen)
    if isinstance(proposal, Change):
        return PreviewLine(step=node.id, change=proposal.summary, details=proposal.details)
    return plain(proposal.outputs)
