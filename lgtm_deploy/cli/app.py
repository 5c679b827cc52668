"""All verbs, and the options that come before them."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lgtm_deploy import __version__
from lgtm_deploy.cli import (
    apply,
    cancel,
    doctor,
    graph,
    lock,
    plan,
    plans,
    resume,
    rollback,
    runs,
    sandbox,
    schema,
    show,
    status,
    validate,
    verify,
    wait,
)
from lgtm_deploy.cli.errors import tell_error, tell_json
from lgtm_deploy.cli.settings import Settings
from lgtm_deploy.core.errors import DeployError

app = typer.Typer(
    name="lgtm-deploy",
    help="Deploys an LGTM stack on AWS ECS in the one safe order, and can always get back.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


class Output(StrEnum):
    """How a verb shows what it does."""

    LIVE = "live"
    PLAIN = "plain"
    JSON = "json"


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lgtm-deploy {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    *,
    stack: Annotated[
        Path | None,
        typer.Option(envvar="LGTM_DEPLOY_STACK", help="The stack file; else lgtm-deploy.yaml, found upwards."),
    ] = None,
    env: Annotated[str, typer.Option(envvar="LGTM_DEPLOY_ENV", help="The environment in the stack file.")] = "",
    output: Annotated[
        Output | None,
        typer.Option(envvar="LGTM_DEPLOY_OUTPUT", help="live on a terminal, plain elsewhere, or json."),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", envvar="LGTM_DEPLOY_VERBOSE", help="Print tracebacks and debug lines.")
    ] = False,
    version: Annotated[  # noqa: ARG001 - its callback tells it
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Options for every verb; `--env` and `--output` may also come after it."""
    if verbose:
        from lgtm_deploy.cli import debug

        debug.start()
    # Debug lines would tear a live table.
    fitting = Output.LIVE if sys.stdout.isatty() and not verbose else Output.PLAIN
    context.obj = Settings(stack=stack, environment=env, output=(output or fitting).value, verbose=verbose)


_CHANGING = (apply.apply, resume.resume, rollback.rollback, cancel.cancel, lock.unlock)
_FILES = (plans.plans, validate.validate, doctor.doctor, graph.graph, plan.plan, schema.schema)
_READING = (runs.runs, show.show, status.status, wait.wait, verify.verify)

for command in (*_CHANGING, *_FILES, *_READING):
    app.command()(command)
app.add_typer(lock.app, name="lock")
app.add_typer(sandbox.app, name="sandbox")

_ANYWHERE = ("--env", "--output", "--stack", "--verbose")


def run(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    words = _general_first(list(sys.argv[1:] if arguments is None else arguments))
    as_json = _wants_json(words)
    try:
        app(words, prog_name="lgtm-deploy")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
        # An error of usage, which typer has written on standard error.
        message = getattr(end.__context__, "format_message", None)
        if as_json and message is not None:
            tell_json(message(), code)
        return code
    except DeployError as error:
        from lgtm_deploy.cli.exits import exit_code

        return tell_error(error, exit_code(error), as_json=as_json)
    finally:
        if debug := sys.modules.get("lgtm_deploy.cli.debug"):
            debug.stop()
    return 0


def _wants_json(words: list[str]) -> bool:
    """Return whether `--output json` is asked for; errors of usage come before options are read."""
    chosen = os.environ.get("LGTM_DEPLOY_OUTPUT", "")
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name == "--output":
            chosen = value if equals else following
    return chosen == Output.JSON.value


def _general_first(words: list[str]) -> list[str]:
    """Lets the general options stand after the verb, too, where most people type them."""
    first: list[str] = []
    rest: list[str] = []
    while words:
        word = words.pop(0)
        if word == "--":
            return [*first, *rest, word, *words]
        name = word.partition("=")[0]
        if name not in _ANYWHERE:
            rest.append(word)
            continue
        first.append(word)
        if name != "--verbose" and "=" not in word:
            if not words:
                # Its value is missing: what came before it must not be taken for one.
                return first
            first.append(words.pop(0))
    return [*first, *rest]
