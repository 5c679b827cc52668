"""Waiting for what an earlier process of the run began and what may still land."""

from functools import partial

from lgtm_deploy.core import event as events
from lgtm_deploy.core.errors import DeadlineError, DeployError, InterruptedRunError
from lgtm_deploy.core.ports import Progress
from lgtm_deploy.core.run import StepRun
from lgtm_deploy.core.step import Action
from lgtm_deploy.core.values import typed
from lgtm_deploy.engine.executor import Job
from lgtm_deploy.engine.gates import DONE
from lgtm_deploy.engine.retrying import repeatedly

# In seconds: tasks must not die of a health check while nobody knows who is at work, or whether anybody is.
_LONGEST = 120.0


def quiesce(job: Job) -> None:
    """Returns once nothing that an earlier process of the run began can land any more; then it may be undone.

    Only a step whose end, or the end of whose undoing, that process did not write down is waited for, and not for ever:
    where it stays unknown, that is told, and what lands later is found when all is read once more in the end. Raises
    InterruptedRunError when asked to stop.
    """
    for known in job.run.steps.values():
        step = job.steps.get(known.id)
        if isinstance(step, Action) and known.seen is not None and _may_land(known, rolling_back=job.run.rolling_back):
            inputs, seen = typed(step.takes, known.inputs), typed(step.sees, known.seen)
            wait = partial(step.quiesce, inputs, seen, _progress(job, known.id))
            try:
                repeatedly(wait, job.graph.nodes[known.id].retry, job.stop)
            except InterruptedRunError:
                raise
            except DeployError as error:
                _tell(job, known.id, f"something may still be under way: {error}")


def _may_land(known: StepRun, *, rolling_back: bool) -> bool:
    return known.acted and (rolling_back or known.status not in DONE)


def _progress(job: Job, step: str) -> Progress:
    end = job.clock.monotonic() + _LONGEST

    def progress(message: str) -> None:
        job.stop.check(patient=False)
        if job.clock.monotonic() > end:
            raise DeadlineError(f"not done after {_LONGEST:g} s")
        if message:
            _tell(job, step, message)

    return progress


def _tell(job: Job, step: str, message: str) -> None:
    job.writer.commit(events.StepProgressed(at=job.clock.now(), step=step, message=message))
