"""Which targets are registered, and how healthy is each?"""

from __future__ import annotations

import http.client
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ministack.services import alb

from . import health
from .health import CheckResult, HealthCheck, TargetHealth
from .records import Records
from .scopes import account_and_region, scope_of

TICK_SECONDS = 0.05
DEFAULT_DEREGISTRATION_DELAY = 300.0


@dataclass(frozen=True)
class Target:
    """One registration: an address and port in one target group."""

    group: str
    address: str
    port: int


@dataclass
class Watched:
    """A target under watch; times in monotonic seconds."""

    health: TargetHealth
    next_check: float
    checking: bool = False
    gone_at: float | None = None


def probe(target: Target, check: HealthCheck) -> CheckResult:
    """Send one health check as the load balancer does and judge the answer.

    User agent and reason codes are AWS's (target-group-health-checks, "Health check reason codes").
    """
    connection = http.client.HTTPConnection(target.address, check.port or target.port, timeout=check.timeout)
    try:
        connection.request("GET", check.path, headers={"User-Agent": "ELB-HealthChecker/2.0", "Connection": "close"})
        status = connection.getresponse().status
    except TimeoutError:
        return CheckResult(passed=False, reason="Target.Timeout", description="Request timed out")
    except (OSError, http.client.HTTPException):
        return CheckResult(passed=False, reason="Target.FailedHealthChecks", description="Health checks failed")
    finally:
        connection.close()
    return health.judge_status(check, status)


class TargetTable:
    """The truth about every registered target: real checks, AWS's states, deregistration delays.

    MiniStack's own ``alb._targets`` holds who is registered (and is persisted by MiniStack); this table holds
    how each is doing, which is checked anew after every start.
    """

    def __init__(self, records: Records) -> None:
        """Start with nothing under watch."""
        self._records = records
        self._lock = threading.RLock()
        self._watched: dict[Target, Watched] = {}
        self._probes = ThreadPoolExecutor(max_workers=16, thread_name_prefix="shim-probe")
        self._stopping = threading.Event()

    def start(self) -> None:
        """Begin to check in a thread of its own."""
        threading.Thread(target=self._run, daemon=True, name="shim-targets").start()

    def stop(self) -> None:
        """Stop checking; nothing changes any more."""
        self._stopping.set()

    def register(self, target: Target) -> None:
        """Register a target; one that is draining becomes a new registration."""
        with self._lock:
            known = self._watched.get(target)
            if known and known.gone_at is None:
                return
            listed = [t for t in registered(target.group) if (t.address, t.port) != (target.address, target.port)]
            _store(target.group, [*listed, target])
            self._watch(target)

    def deregister(self, target: Target) -> None:
        """Deregister a target: it drains for the group's deregistration delay, then is unused."""
        with self._lock:
            listed = registered(target.group)
            if target in listed:
                _store(target.group, [t for t in listed if t != target])
            known = self._watched.get(target)
            if known and known.gone_at is None:
                known.gone_at = time.monotonic() + deregistration_delay(target.group)
                self._change(target, known, health.DRAINING)

    def discard(self, target: Target) -> None:
        """Forget a target at once: its container ended with an earlier run of the sandbox."""
        with self._lock:
            _store(target.group, [t for t in registered(target.group) if t != target])
            self._watched.pop(target, None)

    def forget_group(self, group: str) -> None:
        """Drop every target of a deleted target group."""
        with self._lock:
            for target in [t for t in self._watched if t.group == group]:
                self._change(target, self._watched[target], health.NOT_REGISTERED)
                del self._watched[target]

    def health_of(self, target: Target) -> TargetHealth:
        """The health of one target; ``unused`` where it is not registered."""
        with self._lock:
            known = self._watched.get(target)
            return known.health if known else health.NOT_REGISTERED

    def in_group(self, group: str) -> dict[Target, TargetHealth]:
        """Every target of a group, those draining included."""
        with self._lock:
            return {target: known.health for target, known in self._watched.items() if target.group == group}

    def _watch(self, target: Target) -> None:
        known = Watched(health=TargetHealth(state="absent"), next_check=time.monotonic())
        self._watched[target] = known
        self._change(target, known, health.REGISTERED)

    def _change(self, target: Target, known: Watched, new: TargetHealth) -> None:
        before, known.health = known.health, new
        if before.state == new.state:
            return
        self._records.write(
            "target",
            target_group=target.group.split("/")[1],
            target_group_arn=target.group,
            address=target.address,
            port=target.port,
            reason=new.reason,
            description=new.description,
            **{"from": None if before.state == "absent" else before.state, "to": new.state},
        )

    def _run(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            with self._lock:
                self._adopt()
                self._expire()
                self._check_due()

    def _adopt(self) -> None:
        """Follow registrations made past this table: restored state, deleted groups."""
        listed: set[Target] = set()
        for (_, region, arn), group in alb._tgs.all_items():
            if group.get("TargetType") in {"ip", "instance"} and region == account_and_region(arn)[1]:
                listed.update(registered(arn))
        for target in listed - {t for t, known in self._watched.items() if known.gone_at is None}:
            self._watch(target)
        for target, known in self._watched.items():
            if known.gone_at is None and target not in listed:
                known.gone_at = time.monotonic() + deregistration_delay(target.group)
                self._change(target, known, health.DRAINING)

    def _expire(self) -> None:
        now = time.monotonic()
        for target, known in list(self._watched.items()):
            if known.gone_at is not None and now >= known.gone_at:
                self._change(target, known, health.NOT_REGISTERED)
                del self._watched[target]

    def _check_due(self) -> None:
        now = time.monotonic()
        used: dict[str, bool] = {}
        for target, known in self._watched.items():
            if known.gone_at is not None:
                continue
            if target.group not in used:
                used[target.group] = in_use(target.group)
            if not used[target.group]:
                self._change(target, known, health.UNUSED)
                continue
            if known.health.state == "unused":
                self._change(target, known, health.REGISTERED)
                known.next_check = now
            group = group_of(target.group)
            if group is None or known.checking or now < known.next_check:
                continue
            check = HealthCheck.of(group)
            known.checking = True
            known.next_check = now + check.interval
            if known.health == health.REGISTERED:
                known.health = health.CHECKING
            self._probes.submit(self._check, target, known, check)

    def _check(self, target: Target, known: Watched, check: HealthCheck) -> None:
        result = probe(target, check)
        with self._lock:
            known.checking = False
            current = self._watched.get(target) is known and known.gone_at is None
            if not current or self._stopping.is_set() or known.health.state == "unused":
                return
            self._change(target, known, health.after(known.health, result, check))


def group_of(arn: str) -> dict[str, Any] | None:
    """MiniStack's record of a target group, or None where there is none."""
    account, region = account_and_region(arn)
    found: dict[str, Any] | None = alb._tgs.get_scoped(account, region, arn)
    return found


def registered(group: str) -> list[Target]:
    """The targets registered in a group, in order."""
    account, region = account_and_region(group)
    default = int((group_of(group) or {}).get("Port", 80))
    return [
        Target(group, str(entry["Id"]), int(entry.get("Port") or default))
        for entry in alb._targets.get_scoped(account, region, group) or []
    ]


def deregistration_delay(group: str) -> float:
    """The group's ``deregistration_delay.timeout_seconds``; AWS's default is 300."""
    account, region = account_and_region(group)
    for attribute in alb._tg_attrs.get_scoped(account, region, group) or []:
        if attribute["Key"] == "deregistration_delay.timeout_seconds":
            return float(attribute["Value"])
    return DEFAULT_DEREGISTRATION_DELAY


def in_use(group: str) -> bool:
    """Say whether any listener or rule forwards to the group; AWS checks only the targets of such groups."""
    with scope_of(group):
        actions = [a for listener in alb._listeners.values() for a in listener.get("DefaultActions") or []]
        actions += [a for rule in alb._rules.values() for a in rule.get("Actions") or []]
    return any(group in _forwards_to(action) for action in actions)


def _forwards_to(action: dict[str, Any]) -> set[str]:
    weighted = (action.get("ForwardConfig") or {}).get("TargetGroups", [])
    return {action.get("TargetGroupArn", "")} | {entry.get("TargetGroupArn", "") for entry in weighted}


def _store(group: str, targets: list[Target]) -> None:
    account, region = account_and_region(group)
    entries = [{"Id": target.address, "Port": target.port} for target in targets]
    alb._targets.set_scoped(account, region, group, entries)
