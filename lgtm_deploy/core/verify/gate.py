"""What a verification means for a run: may it go on?"""

from collections.abc import Collection, Mapping, Sequence
from typing import cast

from lgtm_deploy.core.verify.finding import Finding, Level, is_worse
from lgtm_deploy.core.verify.grafana import NOT_ASKED, SOURCE, SOURCE_LIST

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


def data_sources(findings: Sequence[Finding], before: Mapping[str, str]) -> str:
    """Return the verdict of each data source, with the one `before` where there is any: `tempo failed -> ok`.

    Those that were not asked come last, with the reason.
    """
    found = [each for each in findings if each.check.startswith(SOURCE)]
    asked = [
        f"{_name(each)} {f'{before[each.id]} -> ' if each.id in before else ''}{each.level}"
        for each in found
        if each.got != NOT_ASKED
    ]
    left = [each for each in findings if each.got == NOT_ASKED and each.check.startswith((SOURCE, SOURCE_LIST))]
    if left:
        names = ", ".join(filter(None, map(_name, left))) or "all"
        asked.append(f"{names} {NOT_ASKED}: {'; '.join(dict.fromkeys(each.means for each in left))}")
    return ", ".join(asked)


def _name(each: Finding) -> str:
    return each.check.removeprefix(SOURCE) if each.check.startswith(SOURCE) else ""


def _allowed(each: Finding, baseline: Mapping[str, str], whole: Collection[str]) -> Level:
    """How bad a check may be."""
    return "ok" if each.service in whole else cast(Level, baseline.get(each.id, _UNKNOWN))
