"""Which images a Dockerfile is built upon."""

import pytest

from lgtm_deploy.adapters.dockerfile import base_images
from lgtm_deploy.core.errors import PermanentError


def test_the_base_is_the_image_of_its_from() -> None:
    assert base_images("FROM grafana/tempo:2.9.0\nRUN x\n", {}) == ("grafana/tempo:2.9.0",)


@pytest.mark.parametrize(
    ("reference", "image"),
    [
        ("grafana/tempo:${VERSION}", "grafana/tempo:2.3.1"),
        ("grafana/tempo:$VERSION", "grafana/tempo:2.3.1"),
        ("${BASE:-grafana}/tempo:${VERSION}", "grafana/tempo:2.3.1"),
        ("grafana/tempo${VERSION:+:pinned}", "grafana/tempo:pinned"),
        ('"grafana/tempo:${VERSION}"', "grafana/tempo:2.3.1"),
    ],
)
def test_arguments_are_substituted(reference: str, image: str) -> None:
    assert base_images(f"ARG VERSION\nFROM {reference}\n", {"VERSION": "2.3.1"}) == (image,)


def test_a_build_argument_wins_over_the_default() -> None:
    text = "ARG VERSION=1\nFROM tempo:${VERSION}\n"

    assert base_images(text, {}) == ("tempo:1",)
    assert base_images(text, {"VERSION": "2"}) == ("tempo:2",)


def test_a_default_may_use_an_earlier_argument() -> None:
    text = 'ARG REGISTRY=example.org\nARG BASE="${REGISTRY}/tempo"\nFROM ${BASE}:1\n'

    assert base_images(text, {}) == ("example.org/tempo:1",)


def test_an_argument_that_no_arg_declares_does_not_count() -> None:
    with pytest.raises(PermanentError, match="line 1"):
        base_images("FROM tempo:${VERSION}\n", {"VERSION": "2"})


def test_an_argument_inside_a_stage_does_not_count() -> None:
    text = "ARG V=1\nFROM a:${V}\nARG V=2\nFROM b:${V}\n"

    assert base_images(text, {}) == ("a:1", "b:1")


def test_stages_and_scratch_are_no_bases() -> None:
    text = "FROM golang:1 AS Build\nFROM build AS test\nFROM scratch\nCOPY --from=build /a /a\nCOPY --from=0 /b /b\n"

    assert base_images(text, {}) == ("golang:1",)


def test_images_that_files_are_taken_from_are_bases() -> None:
    text = "FROM scratch\nCOPY --chown=1 --from=busybox:1 /a /a\nRUN --mount=type=bind,from=tools:2,target=/t x\n"

    assert base_images(text, {}) == ("busybox:1", "tools:2")


def test_a_platform_flag_is_no_image() -> None:
    assert base_images("FROM --platform=linux/arm64 tempo:1 AS x\n", {}) == ("tempo:1",)


def test_comments_continuations_and_here_documents_are_no_instructions() -> None:
    text = """# syntax=docker/dockerfile:1
# FROM commented:1
from \\
  # in between
  tempo:1
RUN <<EOF
FROM inside:1
EOF
RUN echo $((1<<2)) \\
  FROM continued:1
"""
    assert base_images(text, {}) == ("tempo:1",)


def test_another_escape_character_continues_lines() -> None:
    assert base_images("# escape=`\nFROM `\n  tempo:1\n", {}) == ("tempo:1",)


def test_no_from_is_permanent() -> None:
    with pytest.raises(PermanentError, match="no FROM"):
        base_images("# nothing\nARG A=1\n", {})
