"""Which base images a sandbox builds on, and why."""

from collections.abc import Mapping

import pytest

from lgtm_deploy.core.errors import PermanentError, UsageError
from lgtm_deploy.sandbox.image_choice import (
    BaseImage,
    Choice,
    Facts,
    Images,
    Source,
    Wanted,
    choose,
    program_of,
    replaceable,
    version_of,
    wanted_by,
)

GRAFANA = Facts(service="grafana", reference="docker.io/grafana/grafana:12.1.0")
TEMPO = Facts(service="tempo", reference="docker.io/grafana/tempo:2.9.0")
TEMPO_LOADED = Facts(service="tempo", reference="docker.io/grafana/tempo:2.9.0", image="sha256:1")
TEMPO_PULLED = Facts(service="tempo", reference="docker.io/grafana/tempo:2.9.0", image="sha256:1", pulled=True)
NEUTRAL = Facts(service="web")
REFUSAL = "grafana/grafana:12.1.0 cannot be pulled: no such host"


def origins(mode: Images, *facts: Facts, refusal: str = "") -> Mapping[str, str]:
    choice = choose(mode, facts, refusal, 10.0)
    return {name: image.describe() for name, image in choice.images.items()}


@pytest.mark.parametrize("mode", [Images.AUTO, Images.VENDOR])
def test_images_that_can_be_pulled_are_the_vendors(mode: Images) -> None:
    assert origins(mode, GRAFANA, TEMPO) == {"grafana": "vendor image", "tempo": "vendor image"}


def test_one_image_that_cannot_be_pulled_makes_stand_ins_of_all_that_are_missing() -> None:
    choice = choose(Images.AUTO, [GRAFANA, TEMPO], REFUSAL, 10.0)
    assert choice.of(Source.STANDIN) == ["grafana", "tempo"]
    assert choice.reason == f"stand-ins, because {REFUSAL}"


@pytest.mark.parametrize("mode", [Images.AUTO, Images.VENDOR])
def test_a_loaded_image_is_used_whatever_the_registry_says(mode: Images) -> None:
    assert origins(mode, TEMPO_LOADED, refusal=REFUSAL) == {"tempo": "loaded image"}


def test_a_loaded_image_runs_beside_stand_ins_for_those_that_are_missing() -> None:
    choice = choose(Images.AUTO, [GRAFANA, TEMPO_LOADED], REFUSAL, 10.0)
    assert choice.images["tempo"] == BaseImage(source=Source.LOADED, reference=TEMPO.reference, image="sha256:1")
    assert choice.of(Source.STANDIN) == ["grafana"]
    assert choice.reason == f"stand-ins for grafana, because {REFUSAL}"


def test_an_image_that_the_sandbox_pulled_earlier_is_still_the_vendors() -> None:
    assert origins(Images.AUTO, TEMPO_PULLED, refusal=REFUSAL) == {"tempo": "vendor image"}


def test_images_that_the_sandbox_pulled_earlier_give_way_when_another_cannot_be_pulled() -> None:
    choice = choose(Images.AUTO, [GRAFANA, TEMPO_PULLED], REFUSAL, 10.0)
    assert choice.of(Source.STANDIN) == ["grafana", "tempo"]
    assert choice.reason == f"stand-ins, because {REFUSAL}"


def test_a_pulled_image_without_a_stand_in_stays() -> None:
    odd = Facts(service="tempo", reference="docker.io/grafana/tempo:1.0.0", image="sha256:1", pulled=True)
    choice = choose(Images.AUTO, [GRAFANA, odd], REFUSAL, 10.0)
    assert choice.of(Source.STANDIN) == ["grafana"]
    assert choice.reason == f"stand-ins for grafana, because {REFUSAL}"


@pytest.mark.parametrize("source", [Source.LOADED, Source.VENDOR])
def test_a_version_that_is_not_the_one_in_the_engine_is_told_as_not_pulled(source: Source) -> None:
    image = BaseImage(source=source, reference=TEMPO.reference, image="sha256:1")
    assert image.describe("2.9.0") == image.describe()
    assert image.describe("3.0.3") == "vendor image, not pulled yet"


def test_stand_ins_that_are_asked_for_win_over_a_loaded_image() -> None:
    assert origins(Images.STANDIN, TEMPO_LOADED) == {"tempo": "stand-in (recorded)"}


@pytest.mark.parametrize("mode", list(Images))
def test_a_service_without_a_stand_in_is_built_as_its_dockerfile_says(mode: Images) -> None:
    assert origins(mode, NEUTRAL) == {"web": "own image"}


def test_a_stand_in_without_recordings_is_told_as_such() -> None:
    assert origins(Images.STANDIN, GRAFANA, TEMPO) == {
        "grafana": "stand-in (not recorded)",
        "tempo": "stand-in (recorded)",
    }
    # The stack file has a newer version than the sandbox was brought up with.
    assert BaseImage(source=Source.STANDIN, reference=TEMPO.reference).describe("2.8.2") == "stand-in (not recorded)"


def test_a_version_without_a_stand_in_is_refused_with_why_it_was_not_pulled() -> None:
    odd = Facts(service="tempo", reference="docker.io/grafana/tempo:1.0.0")
    with pytest.raises(PermanentError, match=r"no stand-in of grafana/tempo:1\.0\.0 .* no such host\. Load"):
        choose(Images.AUTO, [odd], "grafana/tempo:1.0.0 cannot be pulled: no such host", 10.0)


@pytest.mark.parametrize(
    ("references", "found"),
    [
        (["docker.io/grafana/tempo:2.9.0"], "docker.io/grafana/tempo:2.9.0"),
        (["busybox:1.36", "mirror.local:5000/cache/grafana/loki:3.5.1"], "mirror.local:5000/cache/grafana/loki:3.5.1"),
        (["grafana/alloy:v1.9.2"], "grafana/alloy:v1.9.2"),
        (["grafana/k6:1.0.0"], ""),
        (["other/tempo:2.9.0"], ""),
        (["grafana/tempo"], ""),
        (["grafana/tempo:2.9.0@sha256:0123"], ""),
        ([], ""),
    ],
)
def test_the_image_that_a_stand_in_may_replace_is_found_in_a_dockerfile(references: list[str], found: str) -> None:
    assert replaceable(references) == found


def test_a_reference_names_a_program_and_a_version() -> None:
    assert program_of("mirror.local:5000/grafana/loki:3.5.1") == "loki"
    assert version_of("mirror.local:5000/grafana/loki:3.5.1") == "3.5.1"
    assert version_of("mirror.local:5000/grafana/loki") == ""


def test_a_sandbox_that_is_up_serves_who_asks_for_nothing_else() -> None:
    choice = choose(Images.AUTO, [GRAFANA, TEMPO_LOADED], REFUSAL, 10.0)
    choice.refuse_unless(Wanted(), "a")
    choice.refuse_unless(Wanted(images=Images.AUTO, factor=10.0), "a")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(images=Images.STANDIN), "up with the vendors' images of tempo"),
        (Wanted(images=Images.VENDOR), "up with stand-ins for grafana"),
        (Wanted(factor=1.0), "up with stand-ins at factor 10"),
    ],
)
def test_a_sandbox_that_is_up_with_other_images_is_not_taken_for_what_is_asked(wanted: Wanted, said: str) -> None:
    choice = choose(Images.AUTO, [GRAFANA, TEMPO_LOADED], REFUSAL, 10.0)
    with pytest.raises(UsageError, match=f"{said}. Take it down first, or pass --fresh"):
        choice.refuse_unless(wanted, "a")


def test_the_factor_does_not_matter_where_there_is_no_stand_in() -> None:
    choice = Choice(images={"tempo": BaseImage(source=Source.VENDOR)}, reason="", factor=10.0)
    choice.refuse_unless(Wanted(factor=1.0), "a")


def test_the_environment_says_what_is_wanted() -> None:
    assert wanted_by({}) == Wanted()
    variables = {"LGTM_DEPLOY_SANDBOX_IMAGES": "standin", "LGTM_DEPLOY_SANDBOX_FACTOR": "2.5"}
    assert wanted_by(variables) == Wanted(images=Images.STANDIN, factor=2.5)


@pytest.mark.parametrize(
    ("option", "variable", "value", "remedy"),
    [
        ("--images", "LGTM_DEPLOY_SANDBOX_IMAGES", "real", "Use auto, vendor or standin."),
        *(
            ("--factor", "LGTM_DEPLOY_SANDBOX_FACTOR", value, "Use a number from 1 to 1000.")
            for value in ("fast", "0", "0.5", "-1", "5000", "nan")
        ),
    ],
)
def test_a_value_that_the_environment_cannot_have_is_refused(option, variable, value, remedy) -> None:
    with pytest.raises(UsageError) as caught:
        wanted_by({variable: value})
    assert (caught.value.message, caught.value.resolution) == (f"{option} ({variable}) is '{value}'.", remedy)
