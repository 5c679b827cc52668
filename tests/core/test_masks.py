"""Values of secret variables are told nowhere, and come back where a run goes on."""

import json
import traceback
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from lgtm_deploy.core.errors import PermanentError
from lgtm_deploy.core.event import RunFinished, RunStarted, StepObserved, StepStarted
from lgtm_deploy.core.masks import Masks, fingerprint, is_of
from lgtm_deploy.core.run import Run

AT = datetime(2026, 1, 16, tzinfo=UTC)
VALUE = 'p&ss"w<rd\\1'
MASKS = Masks(values={"password": VALUE, "token": "hunter22-prod", "short": "hunter22"}, salt="s")


def test_a_mask_is_the_expression_that_the_value_came_from() -> None:
    assert MASKS.masked(f"as {VALUE}!") == "as ${{ vars.password }}!"


def test_of_two_secrets_that_begin_alike_nothing_is_left() -> None:
    assert MASKS.masked("hunter22 hunter22-prod") == "${{ vars.short }} ${{ vars.token }}"


@pytest.mark.parametrize(
    "spelled",
    [
        VALUE,
        json.dumps({"p": VALUE}),
        json.dumps({"p": VALUE}).replace("&", "\\u0026").replace("<", "\\u003c"),
        json.dumps(json.dumps([VALUE])),
    ],
)
def test_however_it_is_spelled_it_is_masked_and_comes_back(spelled: str) -> None:
    event = StepObserved(at=AT, step="flip", seen={"before": [spelled], VALUE: ("x", 1, None)}, change=f"set {spelled}")

    told = MASKS.masked(event)

    assert "rd" not in str(told).replace("${{ vars.password", "")
    assert MASKS.unmasked(told) == event


def test_the_lines_of_a_key_and_the_texts_of_a_document_are_masked_one_by_one() -> None:
    masks = Masks(
        values={"key": "BEGIN KEY\nMIIEpAIBAAKCAQEA\nEND KEY", "login": '{"user": "x", "password": "hunter22"}'}
    )

    assert "MII" not in masks.masked("invalid: MIIEpAIBAAKCAQEA")
    assert "hunter22" not in masks.masked("user x, hunter22")


def test_a_value_whose_blanks_were_drawn_together_is_masked() -> None:
    masks = Masks(values={"phrase": "correct  horse\tbattery"})

    assert "horse" not in masks.masked("terraform plan failed: no user correct horse battery.")


def test_a_secret_that_is_a_word_of_another_mask_breaks_none() -> None:
    masks = Masks(values={"password": "correct horse", "other": "password"})

    assert masks.unmasked(masks.masked("correct horse password")) == "correct horse password"


def test_what_names_a_step_or_a_verdict_stays_as_it_is() -> None:
    masks = Masks(values={"word": "deployed", "step": "terraform"})

    assert masks.masked(StepStarted(at=AT, step="terraform")).step == "terraform"
    assert masks.masked(RunFinished(at=AT, verdict="deployed", exit_code=0, seconds=0, reason="")).verdict == "deployed"


def test_a_run_as_its_journal_tells_it_has_its_values_back() -> None:
    event = StepStarted(at=AT, step="a", inputs={"value": VALUE})

    run = MASKS.unmasked(Run(id="r").folded([MASKS.masked(event)]))

    assert run == Run(id="r").folded([event])


def test_an_error_and_what_it_came_from_tell_no_value() -> None:
    def fail() -> None:
        error = PermanentError(f"cannot use {VALUE}", resolution=f"not {VALUE}")
        raise error from ValueError(f"bad: {VALUE!r}", VALUE)

    with pytest.raises(PermanentError) as caught, MASKS.over_errors():
        fail()

    assert str(caught.value) == "cannot use ${{ vars.password }} not ${{ vars.password }}"
    assert "ss" not in "".join(traceback.format_exception(caught.value)[-1:]).replace("${{ vars.password", "")
    assert "w<" not in f"{caught.value.args} {caught.value.__cause__!r}"


def test_a_fingerprint_is_of_one_value_only() -> None:
    kept = MASKS.remembered({"token": "hunter22-prod", "plain": "x"})

    assert kept["plain"] == "x"
    assert is_of(kept["token"], "hunter22-prod")
    assert not is_of(kept["token"], "hunter22-dev")
    assert not is_of("hunter22-prod", "hunter22-prod")
    assert fingerprint("a", "1") != fingerprint("a", "2")


class Pair(NamedTuple):
    one: str
    other: int


@pytest.mark.parametrize(
    "error",
    [
        ValueError(Pair(one=VALUE, other=1)),
        ValueError(ValueError(VALUE)),
        FileNotFoundError(2, "no such file", f"/nowhere/{VALUE}"),
        ExceptionGroup("several", [ValueError(VALUE)]),
    ],
)
def test_whatever_an_error_is_made_of_it_is_raised_without_the_value(error: Exception) -> None:
    with pytest.raises(type(error)) as told, MASKS.over_errors():
        raise error

    assert "w<rd" not in "".join(traceback.format_exception(told.value))


def test_what_a_run_is_found_by_again_holds_no_mask() -> None:
    """A document has words in it that stand elsewhere, too."""
    masks = Masks(values={"login": '{"user": "lgtm-grafana", "password": "hunter22"}'})
    began = RunStarted(
        at=AT,
        plan="p",
        plan_digest="d",
        plan_file="deploy/lgtm-grafana.yaml",
        stack="lgtm",
        environment="prod",
        by="ci",
        steps={},
        stack_inputs={"services.lgtm-grafana.repository": "lgtm-grafana"},
    )

    told = masks.masked(began)

    assert (told.plan_file, told.stack_inputs) == (began.plan_file, began.stack_inputs)


def test_the_value_of_a_request_header_is_masked_by_its_environment_variable() -> None:
    masks = Masks(headers={"GATEWAY_AUTH": "Basic bm9ib2R5"})

    assert masks.masked("sent Basic bm9ib2R5") == "sent ${{ headers.GATEWAY_AUTH }}"
    assert masks.remembered({"GATEWAY_AUTH": "x"}) == {"GATEWAY_AUTH": "x"}
    with pytest.raises(PermanentError) as caught, masks.over_errors():
        raise PermanentError("sent Basic bm9ib2R5")
    assert "bm9ib2R5" not in str(caught.value)
