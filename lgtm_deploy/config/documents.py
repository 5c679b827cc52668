"""What may stand in a stack file and in a plan file: the shapes, checked by pydantic, and their JSON Schemas."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self, TypeVar, Union

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import ErrorDetails

from lgtm_deploy.config.source import Source
from lgtm_deploy.core.errors import UsageError
from lgtm_deploy.core.plan import Hook, Hooks, OnFailure, RetryPolicy, Webhook
from lgtm_deploy.core.recipe import Name, Recipe
from lgtm_deploy.core.stack import EnvironmentKeys, RootKeys, Seconds, ServiceKeys

PLAN_SCHEMA = 2
# RFC 9110, 5.6.2: a token.
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]
HeaderText = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")]
EnvironmentVariable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
# AWS: Secrets Manager, CreateSecret.
SecretName = Annotated[str, Field(pattern=r"^[A-Za-z0-9/_+=.@-]{1,512}$")]
DocumentT = TypeVar("DocumentT", bound=BaseModel)
# pydantic: types of the error for a key that a model or a dataclass does not have.
_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


class Document(BaseModel):
    """Unknown keys are errors: a typo must not be a silent default."""

    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)


class FromEnvironment(Document):
    """A value that an environment variable holds."""

    env: EnvironmentVariable


HeadersDocument = Annotated[
    dict[HeaderName, HeaderText | FromEnvironment],
    Field(
        description="Request headers, such as the login of a gateway. A secret value is `{env: VARIABLE}`: the "
        "environment variable that holds it."
    ),
]


class VersionDocument(Document):
    """The place of a version that is written down elsewhere: the Dockerfile, or a Terraform variable."""

    dockerfile: Annotated[
        EnvironmentVariable | None, Field(description="The ARG of the Dockerfile whose default is the version.")
    ] = None
    terraform: Annotated[Name | None, Field(description="A Terraform root of the environment.")] = None
    variable: Annotated[
        str,
        Field(
            pattern=r"^([A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*)?$",
            description="A variable of that root, or a part of one.",
            examples=["image_versions.tempo"],
        ),
    ] = ""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.dockerfile is None) == (self.terraform is None) or bool(self.terraform) != bool(self.variable):
            raise ValueError("name either `dockerfile`, or `terraform` and `variable`")
        return self


class FromTerraform(Document):
    """Task definitions that a Terraform root manages."""

    terraform: Annotated[Name, Field(description="The root's name under `terraform:` of the environment.")]


@dataclass(frozen=True, kw_only=True)
class ServiceDocument(ServiceKeys):
    """One service."""

    version: Annotated[
        str | VersionDocument,
        Field(
            description="The base image's version, or where it is written down: `{dockerfile: ARG}` or "
            "`{terraform: ROOT, variable: NAME}`."
        ),
    ] = ""
    headers: HeadersDocument = field(default_factory=dict)
    task_definition: Annotated[
        Literal["live"] | FromTerraform,
        Field(
            description="The source of task definitions. `live`: a copy of the running revision, with the new image by "
            "digest. `{terraform: ROOT}`: the revision that this Terraform root registers."
        ),
    ] = "live"


@dataclass(frozen=True, kw_only=True)
class EnvironmentDocument(EnvironmentKeys):
    """One place where the stack runs."""

    headers: HeadersDocument = field(default_factory=dict)
    secrets: Annotated[
        dict[SecretName, str | FromEnvironment],
        Field(
            description="Secrets of Secrets Manager that Terraform does not make, by name. The sandbox makes them "
            "before it applies Terraform; only for `endpoint: sandbox`."
        ),
    ] = field(default_factory=dict)
    terraform: dict[Name, RootKeys] = field(default_factory=dict)


class StackDocument(Document):
    """The stack file, `lgtm-deploy.yaml`."""

    model_config = ConfigDict(title="lgtm-deploy stack file", extra="forbid", frozen=True)

    schema_: Annotated[Literal[1], Field(alias="schema")]
    name: Name
    start_state: str = ""
    services: Annotated[dict[Name, ServiceDocument], Field(min_length=1)]
    environments: Annotated[dict[Name, EnvironmentDocument], Field(min_length=1)]


class RetryDocument(Document):
    """How often a step is tried when the error may pass."""

    attempts: Annotated[int, Field(ge=1, le=20, description="The maximum number of attempts.", examples=[4])] = (
        RetryPolicy.attempts
    )
    first_delay: Annotated[Seconds, Field(description="Seconds before the second attempt.", examples=[0.5])] = (
        RetryPolicy.first_delay
    )
    longest_delay: Annotated[Seconds, Field(description="The maximum number of seconds between.", examples=[15])] = (
        RetryPolicy.longest_delay
    )

    def value(self) -> RetryPolicy:
        """As the core has it."""
        return RetryPolicy(attempts=self.attempts, first_delay=self.first_delay, longest_delay=self.longest_delay)


class WebhookDocument(Document):
    """A URL that is told by POST: `url`, or `url_env`, the environment variable that holds it."""

    url: Annotated[
        Annotated[str, Field(pattern=r"^https?://\S+$")] | None,
        Field(description="The URL.", examples=["https://hooks.example.com/deploy"]),
    ] = None
    url_env: Annotated[
        EnvironmentVariable | None,
        Field(description="The environment variable that holds the URL.", examples=["HOOK_URL"]),
    ] = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("name either `url` or `url_env`")
        return self


def _passable(word: str) -> str:
    if "\0" in word:
        raise ValueError("a word of a command cannot hold a NUL character")
    return word


Word = Annotated[str, AfterValidator(_passable)]
HookDocument = Annotated[list[Word], Field(min_length=1)] | WebhookDocument


class HooksDocument(Document):
    """Commands around the run (lists of words, no shell) and URLs that are told of it."""

    before: Annotated[
        list[HookDocument], Field(description="Run before the first step.", examples=[[["./announce"]]])
    ] = []
    rollback: Annotated[
        list[HookDocument],
        Field(description="Run in a rollback, after the steps are undone.", examples=[[["./announce"]]]),
    ] = []
    succeeded: Annotated[
        list[HookDocument], Field(description="Run after a run that succeeded.", examples=[[["./announce"]]])
    ] = []
    failed: Annotated[
        list[HookDocument],
        Field(description="Run after a run that did not succeed.", examples=[[{"url_env": "HOOK_URL"}]]),
    ] = []
    timeout: Annotated[Seconds, Field(description="Seconds for each of them.", examples=[60])] = Hooks.timeout

    def value(self) -> Hooks:
        """As the core has it."""
        return Hooks(
            before=_hooks(self.before),
            rollback=_hooks(self.rollback),
            succeeded=_hooks(self.succeeded),
            failed=_hooks(self.failed),
            timeout=self.timeout,
        )


def _hooks(written: list[HookDocument]) -> tuple[Hook, ...]:
    return tuple(
        tuple(each) if isinstance(each, list) else Webhook(url=each.url or "", url_env=each.url_env or "")
        for each in written
    )


class PlanDocument(Document):
    """What every plan file has, whatever its recipe."""

    model_config = ConfigDict(title="lgtm-deploy plan file", extra="forbid", frozen=True)

    schema_: Annotated[
        Literal[2], Field(alias="schema", description="The version of this format.", examples=[PLAN_SCHEMA])
    ]
    name: Annotated[Name, Field(description="The plan's name, as `runs` and `show` give it.", examples=["release"])]
    description: Annotated[
        str, Field(description="One sentence for `lgtm-deploy plans`.", examples=["Put Tempo under its path prefix"])
    ] = ""
    uses: Annotated[str, Field(description="The recipe that builds the steps.", examples=["health-check-migration"])]
    vars_: Annotated[
        dict[Name, str],
        Field(
            alias="vars",
            description="Values of variables that the recipe takes; `--var NAME=VALUE` replaces them.",
            examples=[{"ticket": "OPS-1"}],
        ),
    ] = {}
    secrets: Annotated[
        dict[Name, EnvironmentVariable],
        Field(
            description="Variables whose values are shown nowhere, each with the environment variable that holds it.",
            examples=[{"token": "DEPLOY_TOKEN"}],
        ),
    ] = {}
    hooks: Annotated[
        HooksDocument,
        Field(
            description="Commands around the run, as lists of words, and URLs that are called.",
            examples=[{"succeeded": [["./announce", "done"]]}],
        ),
    ] = HooksDocument()
    timeout: Annotated[Seconds, Field(description="Seconds for the whole run.", examples=[3600])] = 3600.0
    timeouts: Annotated[
        dict[Name, Seconds],
        Field(description="Seconds for a step, by its name without the service.", examples=[{"wait-for-tasks": 900}]),
    ] = {}
    retries: Annotated[
        dict[Name, RetryDocument],
        Field(
            description="Attempts of a step after errors that may pass, by its name without the service.",
            examples=[{"push": {"attempts": 4}}],
        ),
    ] = {}
    on_failure: Annotated[
        OnFailure,
        Field(
            description="`rollback` undoes what was done, `halt` leaves it, `continue` also does what needs no failed"
            " step.",
            examples=["halt"],
        ),
    ] = "rollback"


def plan_document(name: str, recipe: type[Recipe]) -> type[PlanDocument]:
    """Return the shape of plan files that use the recipe: its options beside what every plan file has."""
    options: dict[str, Any] = {key: (field.annotation, field) for key, field in recipe.model_fields.items()}
    uses = Field(description=recipe.about or "The recipe that builds the steps.", examples=[name])
    options["uses"] = (Literal[name], uses)
    return create_model(f"Plan of {name}", __base__=PlanDocument, **options)


def checked(kind: type[DocumentT], source: Source, values: Mapping[str, Any] | None = None) -> DocumentT:
    """The document of that shape. Raises UsageError at the first fault's place, with how many more there are.

    `values` are those of the file, as far as they are checked already; None: as the file has them.
    """
    try:
        return TypeAdapter(kind).validate_python(_plain(source.values) if values is None else values)
    except ValidationError as error:
        raise _fault(source, error) from error


def json_schema(kind: type[Document]) -> dict[str, Any]:
    """The JSON Schema that editors use."""
    schema = kind.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def plan_schema(recipes: Mapping[str, type[Recipe]]) -> dict[str, Any]:
    """Return the JSON Schema of plan files: one shape for each recipe."""
    kinds = [plan_document(name, recipe) for name, recipe in sorted(recipes.items())]
    shape: Any = Annotated[Union[*kinds], Field(discriminator="uses")]
    schema = TypeAdapter(shape).json_schema(by_alias=True)
    title = PlanDocument.model_config.get("title")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **schema}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def _fault(source: Source, error: ValidationError) -> UsageError:
    faults = error.errors(include_url=False)
    # A mistyped key is also a missing one: the key that is there is what the reader has to look at.
    first = next((fault for fault in faults if fault["type"] in _UNKNOWN), _deepest(faults))
    path = _path(first["loc"])
    name = ".".join(map(str, path)) or "the file"
    last = path[-1] if path else ""
    messages = {
        **dict.fromkeys(_UNKNOWN, f"'{last}' is not a key that belongs here"),
        "missing": f"'{last}' is missing",
        "tuple_type": f"{name}: input should be a valid list",
        "mapping_type": f"{name}: input should be a valid dictionary",
        "dataclass_type": f"{name}: input should be a valid dictionary",
    }
    more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
    message = messages.get(first["type"], f"{name}: {first['msg'][:1].lower()}{first['msg'][1:]}")
    return source.fault(path, f"{message}{more}")


def _deepest(faults: list[ErrorDetails]) -> ErrorDetails:
    """Return the first fault or, where several kinds were tried for its value, what is wrong inside of the value."""
    at = _path(faults[0]["loc"])
    inside = (each for each in faults if _path(each["loc"])[: len(at)] == at)
    return max(inside, key=lambda each: (len(each["loc"]), each["type"] == "value_error"))


def _path(loc: tuple[int | str, ...]) -> list[int | str]:
    """pydantic adds the kinds it tried, such as `str` and `list[…]`, and `[key]` for a key itself."""
    kinds = {"str", *(each.__name__ for each in (*Document.__subclasses__(), *BaseModel.__subclasses__()))}
    return [part for part in loc if isinstance(part, int) or ("[" not in part and part not in kinds)]
