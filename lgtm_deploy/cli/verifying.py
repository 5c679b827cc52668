"""The world of a verification: its ports, Grafana's login, and what AWS can be asked."""

import os
import time
from collections.abc import Sequence
from contextlib import suppress

from lgtm_deploy.cli import debug, wiring
from lgtm_deploy.core.errors import AccessError, MissingToolError, UsageError
from lgtm_deploy.core.masks import Masks
from lgtm_deploy.core.ports import VerificationPorts
from lgtm_deploy.core.request_headers import RequestHeaders
from lgtm_deploy.core.stack import Service, Stack
from lgtm_deploy.core.verify.finding import Finding
from lgtm_deploy.steps.verification import Verification


def verification(stack: Stack, *, seconds: float = 10.0) -> Verification:
    """The verification of a stack that need not be settled yet.

    Raises UsageError: credentials of another account. Without credentials, a stack that has a `url` is asked all the
    same: what only AWS can tell is left out.
    """
    from lgtm_deploy.adapters.aws import Aws
    from lgtm_deploy.adapters.clock import SystemClock
    from lgtm_deploy.adapters.ecr import EcrTags
    from lgtm_deploy.adapters.http import HttpWeb

    debug.redact(Masks(headers=RequestHeaders.of(stack, os.environ).secrets))
    is_sandbox = stack.environment.endpoint == wiring.SANDBOX
    stack = wiring.settled(stack)
    seen = wiring.sights(stack)
    asks_aws = _asks_aws(stack, seen)
    environment = stack.environment
    ports = VerificationPorts(
        web=HttpWeb(wiring.gateway(stack, seen)),
        host=seen.host,
        rollouts=seen.rollouts,
        balancer=seen.balancer,
        registry=EcrTags(Aws(region=environment.region, endpoint_url=environment.endpoint)),
        clock=SystemClock(),
    )
    return Verification(stack, ports, login=wiring.grafana_login(is_sandbox=is_sandbox), aws=asks_aws, seconds=seconds)


def examined(asking: Verification, services: Sequence[Service], *, write: bool) -> list[Finding]:
    """All findings of the services, each service's together. Reading and writing happen at the same time."""
    from concurrent.futures import ThreadPoolExecutor

    from lgtm_deploy.steps.verification.writing import write as write_and_read

    with ThreadPoolExecutor() as workers:
        written = workers.submit(write_and_read, asking, services) if write else None
        findings = asking.read(services)
        if written is not None:
            findings += written.result()
    order = [service.name for service in services]
    return sorted(findings, key=lambda each: order.index(each.service) if each.service in order else len(order))


def watched(asking: Verification, services: Sequence[Service], *, every: float, seconds: float) -> list[Finding]:
    """How the services answered in that time, or until Ctrl-C."""
    from lgtm_deploy.core.verify.availability import availability_finding
    from lgtm_deploy.steps.verification.watching import watcher

    watching = watcher(asking, services, every=every, only_working=False)
    watching.start()
    with suppress(KeyboardInterrupt):
        time.sleep(seconds)
    found = watching.stop([service.name for service in services])
    return [availability_finding(name, each) for name, each in found.items()]


def _asks_aws(stack: Stack, seen: wiring.Sights) -> bool:
    try:
        wiring.guard_account(stack, seen.caller)
    except UsageError:
        raise
    except (AccessError, MissingToolError):
        if stack.environment.url:
            return False
        raise
    return True
