"""Waiting for what an earlier process of the run began and what may still land."""

from functools import partial

from lgtm_deploy.core import event as events
from lgtm_deploy.core.errors import DeadlineError, ExpiredCredentialsError, TransientError
from lgtm_deploy.core.graph import Node
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.run import StepRun
from lgtm_deploy.core.step import Action
from lgtm_deploy.core.values import typed
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.gates import DONE
from lgtm_deploy.engine.retrying import repeatedly

UNDER_WAY = (TransientError, DeadlineError, ExpiredCredentialsError)


def quiesce(job: Job) -> None:
    """Returns once nothing that an earlier process of the run began can land any more; then it may be undone.

    Only a step whose end, or the end of whose undoing, that process did not write down is waited for. Raises
    InterruptedRunError when asked to stop, and one of `UNDER_WAY` when a step still is, or may be.
    """
    for known in job.run.steps.values():
        step = job.steps.get(known.id)
        if isinstance(step, Action) and known.seen is not None and _may_land(known, rolling_back=job.run.rolling_back):
            node = job.graph.nodes[known.id]
            inputs, seen = typed(step.takes, known.inputs), typed(step.sees, known.seen)
            repeatedly(partial(step.quiesce, inputs, seen, _progress(job, node)), node.spec.retry, job.stop)


def _may_land(known: StepRun, *, rolling_back: bool) -> bool:
    return known.acted and (rolling_back or known.status not in DONE)


def _progress(job: Job, node: Node) -> Progress:
    end = job.clock.monotonic() + node.spec.timeout

    def progress(message: str) -> None:
        job.stop.check(patient=False)
        if job.clock.monotonic() > end:
            raise DeadlineError(f"not done after {node.spec.timeout:g} s")
        if message:
            job.ledger.write(events.StepProgressed(at=job.clock.now(), step=node.id, message=message))

    return progress
