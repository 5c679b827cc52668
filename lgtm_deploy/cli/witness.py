"""Asking all services while a run goes on, so that the run can tell who noticed it."""

from collections.abc import Callable, Sequence

from lgtm_deploy.core.errors import DeployError
from lgtm_deploy.core.event import AvailabilityMeasured, Event
from lgtm_deploy.core.ports import Ports
from lgtm_deploy.core.stack import Stack
from lgtm_deploy.core.verify.availability import written
from lgtm_deploy.steps.verification import Verification
from lgtm_deploy.steps.verification.watching import watcher

# Often enough to see a gap of a second, seldom enough to be nobody's load.
EVERY = 0.5


def watch_during(stack: Stack, world: Ports, notice: Callable[[str], None]) -> Callable[[], Sequence[Event]]:
    """Begins to ask what answers well now, and returns what ends it and tells how it went. A deployment does not fail
    because nobody can watch it."""
    asking = Verification(stack, world)
    services = list(stack.services.values())
    try:
        watching = watcher(asking, services, every=EVERY, only_working=True)
    except DeployError as error:
        notice(f"not watched: {error}")
        return tuple
    watching.start()

    def end() -> Sequence[Event]:
        found = watching.stop([service.name for service in services])
        return [AvailabilityMeasured(at=world.clock.now(), services=written(found))]

    return end
