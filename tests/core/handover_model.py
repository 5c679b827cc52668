"""Every state that a handover can be in, walked one by one: a model of ECS and its load balancer made for this alone.

It shares nothing with the product. Time is left out: what remains is the order in which things happen, and it walks
every one. In a *round* each target is checked once. `loose` checks come in any order in every round, so that they may
be late by up to an interval; else the order is the same in every round, as with a clock that never drifts.
ECS starts and stops tasks whenever it may: that is more than it does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heappop, heappush
from math import ceil
from typing import Literal, NamedTuple

Step = Literal["deploy", "answer", "complete", "flip", "expand", "contract"]

# What a person or a tool does, one after the other; `answer` and `complete` wait.
SCRIPTS: Mapping[str, tuple[Step, ...]] = {
    "direct": ("deploy", "answer", "complete", "flip"),
    "check-first": ("flip", "deploy", "complete"),
    "matcher-widening": ("expand", "deploy", "complete", "contract"),
    "grace-hold": ("deploy", "answer", "flip", "complete"),
    "images-first": ("deploy", "flip", "complete"),
}


class Target(NamedTuple):
    """A task behind the load balancer. `count` are checks in a row: failed ones, or passed ones while unhealthy.
    `unready` are the checks that it still fails on any path."""

    new: bool
    state: Literal["initial", "healthy", "unhealthy"]
    count: int
    checked: bool
    unready: int


class State(NamedTuple):
    """`done` counts the script's steps; `failures` are the breaker's, in a row; `back`: ECS has rolled back."""

    done: int
    failures: int
    back: bool
    targets: tuple[Target, ...]


@dataclass(frozen=True, kw_only=True)
class World:
    """The setting, and in which order things are done to it."""

    script: tuple[Step, ...]
    desired: int
    healthy: int
    unhealthy: int
    minimum: int = 100
    maximum: int = 200
    new_passes_old: bool = False
    old_passes_new: bool = False
    held: bool = False
    unready: int = 0
    loose: bool = True
    coarse: bool = False
    known: dict[tuple[Target, bool], tuple[Target, ...]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def start(self) -> State:
        old = Target(new=False, state="healthy", count=0, checked=False, unready=0)
        return State(done=0, failures=0, back=False, targets=(old,) * self.desired)

    def after(self, state: State) -> Iterator[State]:
        """Every state that can be next."""
        yield from self._script(state)
        yield from self._checks(state)
        yield from self._starts(state)
        yield from self._stops(state)
        if not self.held:
            yield from self._kills(state)

    def is_over(self, state: State) -> bool:
        return state.done == len(self.script)

    # -- the script ----------------------------------------------------------------------------------------------------
    def _script(self, state: State) -> Iterator[State]:
        if self.is_over(state):
            return
        step = self.script[state.done]
        new = [each for each in state.targets if each.new]
        if step == "answer" and (len(new) < self.desired or any(each.unready for each in new)):
            return
        if step == "complete" and (
            len(new) < len(state.targets) or [each.state for each in new] != ["healthy"] * self.desired
        ):
            return
        yield state._replace(done=state.done + 1)

    @cached_property
    def _deployed(self) -> Sequence[bool]:
        """By how much of the script is done."""
        return ["deploy" in self.script[:done] for done in range(len(self.script) + 1)]

    @cached_property
    def _passing(self) -> Sequence[tuple[bool, bool]]:
        """Whether an old target and a new one that is ready pass, by how much of the script is done."""
        found = []
        for done in range(len(self.script) + 1):
            had = self.script[:done]
            moved = "flip" in had or "expand" in had
            wide = "expand" in had and "contract" not in had
            found.append((not moved or self.old_passes_new or wide, moved or self.new_passes_old))
        return found

    # -- the load balancer ---------------------------------------------------------------------------------------------
    def _checks(self, state: State) -> Iterator[State]:
        passing = self._passing[state.done]
        waiting = [place for place, each in enumerate(state.targets) if not each.checked]
        for place in waiting if self.loose else waiting[:1]:
            target = state.targets[place]
            if self.loose and place and state.targets[place - 1] == target:
                continue  # its twin has done the same
            for checked in self._outcomes(target, passing[target.new] and not target.unready):
                targets = _round([*state.targets[:place], checked, *state.targets[place + 1 :]])
                got_healthy = checked.new and checked.state == "healthy" and target.state != "healthy"
                yield self._with(state, targets, failures=0 if got_healthy else state.failures)

    def _outcomes(self, target: Target, passes: bool) -> tuple[Target, ...]:
        known = self.known.get((target, passes))
        if known is None:
            known = (self._checked(target, passes=passes),)
            if self.coarse and not passes and target.state == "initial":
                left = max(0, target.unready - 1)
                known = (Target(target.new, "initial", 0, True, left), Target(target.new, "unhealthy", 0, True, left))
            self.known[target, passes] = known
        return known

    def _checked(self, target: Target, *, passes: bool) -> Target:
        unready = max(0, target.unready - 1)
        if passes:
            if target.state == "initial" or (target.state == "unhealthy" and target.count + 1 >= self.healthy):
                return Target(target.new, "healthy", 0, True, unready)
            return Target(
                target.new, target.state, target.count + 1 if target.state == "unhealthy" else 0, True, unready
            )
        if target.state == "unhealthy":
            return Target(target.new, "unhealthy", 0, True, unready)
        if target.count + 1 >= self.unhealthy:
            return Target(target.new, "unhealthy", 0, True, unready)
        return Target(target.new, target.state, target.count + 1, True, unready)

    def _with(self, state: State, targets: list[Target], *, failures: int) -> State:
        """Loose checks have no order to keep, so that one arrangement of the same targets does for all."""
        if self.loose:
            targets.sort()
        return State(state.done, failures, state.back, tuple(targets))

    # -- ECS -----------------------------------------------------------------------------------------------------------
    def _starts(self, state: State) -> Iterator[State]:
        new = self._deployed[state.done] and not state.back
        missing = self.desired - sum(each.new == new for each in state.targets)
        if missing <= 0 or len(state.targets) >= self.desired * self.maximum // 100:
            return
        for unready in range(self.unready + 1) if new else (0,):
            for place in range(len(state.targets) + 1):
                before = state.targets[:place]
                if self.loose and place > 1:
                    break
                # Loose: checked in this round or not; else where it stands in the order tells.
                checked = place == 1 if self.loose else bool(before) and before[-1].checked
                born = Target(new=new, state="initial", count=0, checked=checked, unready=unready)
                targets = [*before, born, *state.targets[place:]]
                if not all(each.checked for each in targets):
                    yield self._with(state, targets, failures=state.failures)

    def _stops(self, state: State) -> Iterator[State]:
        """A deployment takes away tasks that are not its own, while enough healthy ones stay."""
        if not self._deployed[state.done]:
            return
        kept = ceil(self.desired * self.minimum / 100)
        healthy = sum(each.state == "healthy" for each in state.targets)
        for place, target in enumerate(state.targets):
            if target.new == state.back and healthy - (target.state == "healthy") >= kept:
                yield self._without(state, place)

    def _kills(self, state: State) -> Iterator[State]:
        for place, target in enumerate(state.targets):
            if target.state == "unhealthy":
                left = self._without(state, place)
                failures = state.failures + (target.new and not state.back)
                yield left._replace(failures=min(failures, 3), back=state.back or failures >= 3)

    def _without(self, state: State, place: int) -> State:
        targets = _round([*state.targets[:place], *state.targets[place + 1 :]])
        return self._with(state, targets, failures=state.failures)


def _round(targets: list[Target]) -> list[Target]:
    """When all have been checked, the next round begins."""
    for each in targets:
        if not each.checked:
            return targets
    return [Target(new, state, count, False, unready) for new, state, count, _, unready in targets]


@dataclass(frozen=True, kw_only=True)
class Walk:
    """What was found: how many states, one without a healthy target, one in which ECS counted a failed new task, and
    whether the script's end can be reached from every state."""

    states: int
    dark: State | None
    failed: State | None
    ends: bool


def walk(world: World) -> Walk:
    """Visits every state that can be reached."""
    begin = world.start
    before: dict[State, list[State]] = {begin: []}
    queue = deque([begin])
    dark: State | None = None
    failed: State | None = None
    over: list[State] = []
    while queue:
        state = queue.popleft()
        if dark is None and _is_dark(state):
            dark = state
        if failed is None and (state.failures or state.back):
            failed = state
        if world.is_over(state):
            over.append(state)
        for found in world.after(state):
            if found in before:
                before[found].append(state)
            else:
                before[found] = [state]
                queue.append(found)
    return Walk(states=len(before), dark=dark, failed=failed, ends=_all_lead_to(over, before))


def reaches_darkness(world: World) -> bool:
    """Whether a state without a healthy target can be reached: looks first where fewer checks have to fail for it."""
    seen = {world.start}
    queue = [(0, 0, world.start)]
    while queue:
        *_, state = heappop(queue)
        if _is_dark(state):
            return True
        for found in world.after(state):
            if found not in seen:
                seen.add(found)
                left = sum(world.unhealthy - each.count for each in found.targets if each.state == "healthy")
                heappush(queue, (left + len(world.script) - found.done, len(seen), found))
    return False


def _is_dark(state: State) -> bool:
    return all(each.state != "healthy" for each in state.targets)


def _all_lead_to(over: list[State], before: Mapping[State, list[State]]) -> bool:
    reached, queue = set(over), deque(over)
    while queue:
        for earlier in before[queue.popleft()]:
            if earlier not in reached:
                reached.add(earlier)
                queue.append(earlier)
    return len(reached) == len(before)
