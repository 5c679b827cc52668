"""What a verification found, for terminals (a table), pages (Markdown), CI servers (JUnit XML) and programs (JSON)."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TextIO
from xml.etree import ElementTree as Xml

from lgtm_deploy.core.verify.finding import Finding, Level, by_service, worst
from lgtm_deploy.render.text import clean, encodable, fitted, short

_SIGN: Mapping[Level, str] = {"ok": "✓", "degraded": "!", "failed": "✗", "not-configured": "-"}
_GOT = 60


def write_findings(findings: Sequence[Finding], form: str, out: TextIO, *, environment: str, url: str) -> None:
    """Writes them in that form: table, markdown, junit or json."""
    text = _FORMS[form](findings, environment, url)
    out.write(encodable(text, out) + "\n")


def table(findings: Sequence[Finding], environment: str, url: str) -> str:
    """The table of the work log, and below it what is not ok with what to do about it."""
    lines = [f"{clean(environment)} at {clean(url)}", ""]
    rows = [("service", "check", "verdict", "asked", "came back")]
    for each in findings:
        verdict = f"{_SIGN[each.level]} {each.level}"
        rows.append((each.service, each.check, verdict, each.asked, fitted(short(each.got), _GOT)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        lines.append("  ".join(f"{clean(cell):<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    lines.append("")
    lines += list(_reasons(findings))
    lines.append(_verdicts(findings))
    return "\n".join(lines)


def markdown(findings: Sequence[Finding], environment: str, url: str) -> str:
    """A page of a wiki."""
    lines = [
        f"## {_cell(environment)} at {_cell(url)}",
        "",
        _verdicts(findings),
        "",
        "| service | check | verdict | asked | came back | meaning | what to do |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in findings:
        cells = (each.service, each.check, each.level, each.asked, each.got, each.means, each.todo)
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines)


def junit(findings: Sequence[Finding], environment: str, url: str) -> str:
    """JUnit XML as CI servers read it: a suite for each service. Degraded is a pass that says so in `system-out`."""
    root = Xml.Element("testsuites", name=f"lgtm-deploy verify {environment}")
    for service, found in by_service(findings).items():
        counts = {
            "tests": len(found),
            "failures": sum(each.level == "failed" for each in found),
            "skipped": sum(each.level == "not-configured" for each in found),
        }
        seconds = max((each.seconds for each in found), default=0.0)
        suite = Xml.SubElement(root, "testsuite", name=service, hostname=url, time=f"{seconds:.3f}", errors="0")
        for name, count in counts.items():
            suite.set(name, str(count))
        for each in found:
            _case(suite, each)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode")


def as_json(findings: Sequence[Finding], environment: str, url: str) -> str:
    """One object: the verdict of each service, and every finding."""
    services = {service: worst(each.level for each in found) for service, found in by_service(findings).items()}
    content = {
        "environment": environment,
        "url": url,
        "verdict": worst(each.level for each in findings),
        "services": services,
        "findings": [asdict(each) for each in findings],
    }
    return json.dumps(content)


def _case(suite: Xml.Element, each: Finding) -> None:
    case = Xml.SubElement(suite, "testcase", classname=each.service, name=each.check, time=f"{each.seconds:.3f}")
    said = short(f"{each.asked}: {each.got}")
    if each.level == "failed":
        failure = Xml.SubElement(case, "failure", message=said, type=each.level)
        failure.text = _advice(each)
    elif each.level == "not-configured":
        Xml.SubElement(case, "skipped", message=_advice(each) or said)
    elif each.level == "degraded":
        Xml.SubElement(case, "system-out").text = f"degraded: {said}\n{_advice(each)}"


def _advice(each: Finding) -> str:
    return clean(". ".join(filter(None, (each.means.rstrip("."), each.todo))))


def _reasons(findings: Sequence[Finding]) -> Iterator[str]:
    """What is not ok; checks with one cause are told together."""
    told: dict[tuple[str, Level, str, str], list[Finding]] = {}
    for each in findings:
        if each.level != "ok":
            told.setdefault((each.service, each.level, each.means, each.todo), []).append(each)
    for (service, level, means, todo), found in told.items():
        names = ", ".join(clean(each.check) for each in found)
        first = found[0]
        yield f"{_SIGN[level]} {clean(service)} {level}: {names}"
        if level != "not-configured":
            yield f"    {clean(first.asked)}: {short(first.got)}" if first.asked else f"    {short(first.got)}"
        yield from (f"    {sign}{clean(text)}" for sign, text in (("", means), ("-> ", todo)) if text)
    if told:
        yield ""


def _verdicts(findings: Sequence[Finding]) -> str:
    return " · ".join(
        f"{clean(service)} {worst(each.level for each in found)}" for service, found in by_service(findings).items()
    )


def _cell(text: str) -> str:
    return short(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


_FORMS: Mapping[str, Callable[[Sequence[Finding], str, str], str]] = {
    "table": table,
    "markdown": markdown,
    "junit": junit,
    "json": as_json,
}
