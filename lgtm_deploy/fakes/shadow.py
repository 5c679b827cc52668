"""Shadow target groups of a cloud in memory."""

from dataclasses import dataclass

from lgtm_deploy.core.errors import AlreadyExistsError, NotFoundError, TransientError
from lgtm_deploy.core.ports import Answer, ListenerRule, Shadow, ShadowRequest
from lgtm_deploy.core.shadow import answer_of, doubt_of, shadow_check
from lgtm_deploy.fakes.cloud import PORTS, REGION, FakeCloud
from lgtm_deploy.fakes.targets import FakeTargetGroup

_LAST_PRIORITY = 50_000


@dataclass(frozen=True, kw_only=True)
class _Nobody:
    """An address where nothing answers."""

    address: str

    def ask(self, path: str, now: float) -> None:  # noqa: ARG002 - as those who answer have it
        return None


class FakeShadowTargets:
    """Shadow target groups among the cloud's `groups`, each with a rule among its `listener_rules`.

    The cloud's `shadow_quota` is how many it can have, its `shadows` the names of those that are there.
    """

    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud

    def feasible(self, load_balancer: str, count: int = 1) -> str:
        """Why there cannot be so many more; empty when there can."""

        def look() -> str:
            if load_balancer not in self._cloud.balancers:
                return f"There is no load balancer {load_balancer}."
            now, quota = len(self._cloud.shadows), self._cloud.shadow_quota
            return f"Load balancer {load_balancer} has {now} of {quota} rules." if now + count > quota else ""

        return self._cloud.perform("shadow.feasible", look, load_balancer=load_balancer, count=count)

    def find(self, name: str) -> Shadow | None:
        """The shadow target group of that name, or None."""
        return self._cloud.perform("shadow.find", lambda: self._found(name), name=name)

    def create(self, wanted: ShadowRequest) -> str:
        """Makes it and returns its ARN; one that is there is replaced."""
        return self._cloud.perform("shadow.create", lambda: self._create(wanted), name=wanted.name)

    def ask(self, arn: str, address: str, port: int) -> Answer:
        """What the load balancer's checks got; the first question only registers the task."""
        return self._cloud.perform(
            "shadow.ask", lambda: self._ask(arn, address, port), arn=arn, address=address, port=port
        )

    def remove(self, name: str) -> None:
        """Removes it and its rule, if it is there."""
        self._cloud.perform("shadow.remove", lambda: self._remove(name), name=name)

    def _found(self, name: str) -> Shadow | None:
        if name not in self._cloud.shadows:
            return None
        arn = self._cloud.groups[name].arn
        return Shadow(arn=arn, complete=any(arn in rule.target_groups for rule in self._cloud.listener_rules))

    def _create(self, wanted: ShadowRequest) -> str:
        cloud = self._cloud
        if wanted.name in cloud.groups and wanted.name not in cloud.shadows:
            raise AlreadyExistsError(f"There is a target group {wanted.name} that lgtm-deploy has not made.")
        if wanted.load_balancer not in cloud.balancers:
            raise NotFoundError(f"There is no load balancer {wanted.load_balancer}.")
        like = next((group for group in cloud.groups.values() if group.arn == wanted.like), None)
        if like is None:
            raise NotFoundError(f"There is no target group {wanted.like}.")
        self._remove(wanted.name)
        check = shadow_check(like.health_check, wanted.path)
        group = FakeTargetGroup(name=wanted.name, account=cloud.account, health_check=check)
        cloud.groups[wanted.name] = group
        cloud.shadows.add(wanted.name)
        cloud.listener_rules.append(self._rule(group.arn))
        return group.arn

    def _rule(self, arn: str) -> ListenerRule:
        taken = {rule.priority for rule in self._cloud.listener_rules}
        return ListenerRule(
            listener=f"arn:aws:elasticloadbalancing:{REGION}:{self._cloud.account}:listener/app/fake/0123456789abcdef/1",
            port=PORTS[self._cloud.protocol],
            protocol=self._cloud.protocol,
            priority=next(each for each in range(_LAST_PRIORITY, 0, -1) if each not in taken),
            paths=(f"/lgtm-deploy-shadow-{len(taken)}/*",),
            target_groups=(arn,),
        )

    def _ask(self, arn: str, address: str, port: int) -> Answer:
        group = next((group for group in self._cloud.groups.values() if group.arn == arn), None)
        if group is None:
            raise NotFoundError(f"There is no target group {arn}.")
        if address not in group.targets:
            what = self._cloud.task_at(address, port) or _Nobody(address=address)
            group.register(what, port, self._cloud.clock.monotonic())
            raise TransientError(f"{address}:{port} is being registered for the load balancer's check.")
        target = next(each for each in group.shown() if each.address == address)
        answer = answer_of(target)
        if answer is None:
            raise TransientError(f"{address}:{port} {doubt_of(target)}.")
        return answer

    def _remove(self, name: str) -> None:
        cloud = self._cloud
        if name not in cloud.shadows:
            return
        arn = cloud.groups.pop(name).arn
        cloud.shadows.remove(name)
        cloud.listener_rules[:] = [rule for rule in cloud.listener_rules if arn not in rule.target_groups]
