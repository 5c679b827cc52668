"""What a verification means for a run: may it go on?"""

from collections.abc import Collection, Mapping, Sequence
from typing import cast

from lgtm_deploy.core.verify.finding import Finding, Level, is_worse
from lgtm_deploy.core.verify.grafana import SOURCE

# Nothing is known of what was not asked before: what fails now may have failed then, but nobody would bet on it.
_UNKNOWN: Level = "degraded"


def verdicts(findings: Sequence[Finding]) -> dict[str, str]:
    """The level of every check, by its id."""
    return {each.id: each.level for each in findings}


def standing(findings: Sequence[Finding], baseline: Mapping[str, str], whole: Collection[str]) -> list[Finding]:
    """What stands in the way: every check of the services that must be `whole` that is not ok, and every check of the
    others that is worse than in the baseline. What cannot be asked is in nobody's way."""
    return [each for each in findings if is_worse(each.level, _allowed(each, baseline, whole))]


def summary(wrong: Sequence[Finding]) -> str:
    """The first thing that is wrong, and how many more there are."""
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return f"{wrong[0].why}{more}" if wrong else ""


def data_sources(now: Mapping[str, str], before: Mapping[str, str]) -> str:
    """Return the verdict of each data source, with the one `before` where there is any: `tempo failed -> ok`."""
    marker = f": {SOURCE}"
    return ", ".join(
        f"{check.partition(marker)[2]} {f'{before[check]} -> ' if check in before else ''}{verdict}"
        for check, verdict in now.items()
        if marker in check
    )


def _allowed(each: Finding, baseline: Mapping[str, str], whole: Collection[str]) -> Level:
    """How bad a check may be."""
    return "ok" if each.service in whole else cast(Level, baseline.get(each.id, _UNKNOWN))
