"""Every bad plan of the corpus is refused with its line, and no harmless one is."""

import json

import pytest

from lgtm_deploy.core.guard import breaches
from tests.core.guard.bad import BAD
from tests.core.guard.documents import ALLOWED, PYROSCOPE, TEMPO, Mutation, real
from tests.core.guard.harmless import HARMLESS


def test_the_corpus_is_as_large_as_was_promised() -> None:
    assert len({each.name for each in BAD}) == len(BAD) >= 60
    assert len({each.name for each in HARMLESS}) == len(HARMLESS) >= 20


def test_the_real_plan_is_what_the_plan_file_allows_and_no_less() -> None:
    assert breaches(real(), ALLOWED) == ()
    assert breaches(real(), ()) == (
        f'{PYROSCOPE}: health_check.path "/ready" -> "/pyroscope/ready" is not allowed',
        f'{TEMPO}: health_check.path "/ready" -> "/tempo/ready" is not allowed',
    )


@pytest.mark.parametrize("bad", BAD, ids=lambda each: each.name)
def test_a_bad_plan_is_refused_with_the_line_that_breaks_it(bad: Mutation) -> None:
    document = bad.document

    # As text: Python takes 0 for false.
    assert json.dumps(document) != json.dumps(real())
    lines = breaches(document, ALLOWED)
    assert bad.line in lines
    assert "canary" not in str(lines)
    assert "old-secret" not in str(lines)
    if bad.name != "the order of a list changes":
        assert lines == (bad.line,)


@pytest.mark.parametrize("harmless", HARMLESS, ids=lambda each: each.name)
def test_a_harmless_plan_is_not_refused(harmless: Mutation) -> None:
    document = harmless.document

    assert json.dumps(document) != json.dumps(real())
    assert breaches(document, ALLOWED) == ()
