"""What a verification found, as it is shown."""

import io
import json
import xml.etree.ElementTree as Xml

import pytest

from lgtm_deploy.core.verify.finding import Finding
from lgtm_deploy.render.findings import write_findings

ODD = "502 '<b>|\x1b[31m&\"\x00 \ud800'"
FINDINGS = (
    Finding(service="loki", check="labels", level="ok", asked="GET /l", got="1 label", seconds=0.1234),
    Finding(
        service="tempo", check="echo", level="degraded", asked="GET /e", got="404 ''", means="no route", todo="Do."
    ),
    Finding(service="tempo", check="search", level="degraded", asked="GET /s", got="404", means="no route", todo="Do."),
    Finding(service="tempo", check="write", level="not-configured", got="not asked", means="no way", todo="Set it."),
    Finding(service="mimir", check="labels", level="failed", asked="GET /m", got=ODD, means="m | fails", todo="Look."),
)


def shown(form: str) -> str:
    out = io.StringIO()
    write_findings(FINDINGS, form, out, environment="prod", url="http://lb")
    return out.getvalue()


def test_the_table_has_a_row_for_each_check_and_tells_each_cause_once() -> None:
    lines = shown("table").splitlines()

    assert lines[0] == "prod at http://lb"
    assert lines[2].split() == ["service", "check", "verdict", "asked", "came", "back"]
    assert lines[3].split() == ["loki", "labels", "✓", "ok", "GET", "/l", "1", "label"]
    told = "\n".join(lines[8:])
    assert told.count("no route") == 1
    assert "! tempo degraded: echo, search\n    GET /e: 404 ''\n    no route\n    -> Do.\n" in told
    assert "- tempo not-configured: write\n    no way\n    -> Set it.\n" in told
    assert lines[-1] == "loki ok · tempo degraded · mimir failed"


def test_a_page_has_a_cell_for_everything() -> None:
    rows = [line for line in shown("markdown").splitlines() if line.startswith("| ")]

    assert len(rows) == 1 + len(FINDINGS)
    assert "m \\| fails" in rows[-1]
    assert "&lt;b>" in rows[-1]


def test_a_report_is_read_by_any_xml_parser() -> None:
    suites = {suite.get("name"): suite for suite in Xml.fromstring(shown("junit"))}

    assert {name: suite.get("failures") for name, suite in suites.items()} == {"loki": "0", "tempo": "0", "mimir": "1"}
    assert suites["tempo"].get("skipped") == "1"
    assert suites["tempo"].findtext("testcase/system-out") == "degraded: GET /e: 404 ''\nno route. Do."
    failure = suites["mimir"].find("testcase/failure")
    assert failure is not None
    assert failure.text == "m | fails. Look."


def test_programs_get_all_of_it() -> None:
    told = json.loads(shown("json"))

    assert told["verdict"] == "failed"
    assert told["services"] == {"loki": "ok", "tempo": "degraded", "mimir": "failed"}
    assert told["findings"][0]["got"] == "1 label"


@pytest.mark.parametrize("form", ["table", "markdown", "junit", "json"])
def test_no_form_lets_a_terminal_be_commanded(form: str) -> None:
    text = shown(form)

    assert "\x1b" not in text
    assert "\x00" not in text
    text.encode()
