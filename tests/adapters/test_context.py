"""The identity of an image, and the archive that it stands for."""

import io
import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lgtm_deploy.adapters import context
from lgtm_deploy.core.errors import NotFoundError, PermanentError
from lgtm_deploy.core.ports import BuildRequest

DOCKERFILE = "ARG VERSION\nFROM tempo:${VERSION}\nCOPY config /etc/tempo\n"
BASES = {"tempo:1": "sha256:aa"}


@pytest.fixture
def asked(tmp_path: Path) -> BuildRequest:
    return make(tmp_path / "one")


def make(folder: Path) -> BuildRequest:
    (folder / "config").mkdir(parents=True)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / ".dockerignore").write_text("# comment\n*.md\nsecret/\n!KEEP.md\n")
    (folder / "config" / "tempo.yaml").write_text("server: {}\n")
    (folder / "config" / "link").symlink_to("tempo.yaml")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    return BuildRequest(
        context=folder, dockerfile="Dockerfile", build_args={"VERSION": "1", "A": "2"}, platform="linux/amd64"
    )


def identity(request: BuildRequest, bases: dict[str, str] | None = None) -> str:
    return context.hash_of(request, context.read_dockerfile(request), BASES if bases is None else bases)


def archive(request: BuildRequest) -> bytes:
    out = io.BytesIO()
    context.write_archive(request, out)
    return out.getvalue()


def test_it_is_64_hex_digits(asked: BuildRequest) -> None:
    assert len(identity(asked)) == 64
    int(identity(asked), 16)


def test_the_same_content_elsewhere_and_later_is_the_same(asked: BuildRequest, tmp_path: Path) -> None:
    other = make(tmp_path / "deep" / "other")
    for file in other.context.rglob("*"):
        os.utime(file, (1, 1), follow_symlinks=False)
    (other.context / "run.sh").chmod(0o600)

    assert identity(other) == identity(asked)
    assert archive(other) == archive(asked)


def test_the_order_of_arguments_does_not_matter(asked: BuildRequest) -> None:
    assert identity(replace(asked, build_args={"A": "2", "VERSION": "1"})) == identity(asked)


def ignored_file(folder: Path) -> None:
    (folder / "notes.md").write_text("x")


def ignored_folder(folder: Path) -> None:
    (folder / "secret").mkdir()
    (folder / "secret" / "key").write_text("x")


def empty_folder(folder: Path) -> None:
    (folder / "empty").mkdir()


@pytest.mark.parametrize("change", [ignored_file, ignored_folder, empty_folder])
def test_what_is_not_sent_does_not_matter(asked: BuildRequest, change: Callable[[Path], None]) -> None:
    before, sent = identity(asked), archive(asked)
    change(asked.context)

    assert identity(asked) == before
    assert archive(asked) == sent


def content(folder: Path) -> None:
    (folder / "config" / "tempo.yaml").write_text("server: {a: 1}\n")


def name(folder: Path) -> None:
    (folder / "run.sh").rename(folder / "ran.sh")


def program(folder: Path) -> None:
    (folder / "run.sh").chmod(0o755)


def link_target(folder: Path) -> None:
    (folder / "config" / "link").unlink()
    (folder / "config" / "link").symlink_to("other.yaml")


def link_for_file(folder: Path) -> None:
    (folder / "config" / "link").unlink()
    shutil.copy(folder / "config" / "tempo.yaml", folder / "config" / "link")


def kept_file(folder: Path) -> None:
    (folder / "KEEP.md").write_text("x")


def dockerfile(folder: Path) -> None:
    (folder / "Dockerfile").write_text(DOCKERFILE + "USER 1\n")


@pytest.mark.parametrize("change", [content, name, program, link_target, link_for_file, kept_file, dockerfile])
def test_everything_that_is_sent_matters(asked: BuildRequest, change: Callable[[Path], None]) -> None:
    before, sent = identity(asked), archive(asked)
    change(asked.context)

    assert identity(asked) != before
    assert archive(asked) != sent


def test_arguments_platform_and_bases_matter(asked: BuildRequest) -> None:
    others = [
        identity(replace(asked, build_args={"VERSION": "2", "A": "2"})),
        identity(replace(asked, build_args={"VERSION": "1"})),
        identity(replace(asked, build_args={"VERSION": "12", "A": ""})),
        identity(replace(asked, platform="linux/arm64")),
        identity(asked, {"tempo:1": "sha256:bb"}),
        identity(asked, {}),
        identity(asked),
    ]
    assert len(set(others)) == len(others)


def test_the_archive_has_plain_owners_times_and_modes(asked: BuildRequest) -> None:
    (asked.context / "run.sh").chmod(0o777)
    with tarfile.open(fileobj=io.BytesIO(archive(asked))) as found:
        entries = {entry.name: entry for entry in found}

    assert entries["run.sh"].mode == 0o755
    assert entries["config/tempo.yaml"].mode == 0o644
    assert entries["config"].isdir()
    assert entries["config/link"].linkname == "tempo.yaml"
    assert {(entry.mtime, entry.uid, entry.uname) for entry in entries.values()} == {(0, 0, "")}


def test_a_missing_context_or_dockerfile_is_not_found(asked: BuildRequest) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        context.read_dockerfile(replace(asked, context=asked.context / "no"))
    with pytest.raises(NotFoundError, match="has no Nofile"):
        context.read_dockerfile(replace(asked, dockerfile="Nofile"))


def test_a_file_that_cannot_be_read_is_permanent(asked: BuildRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish(_: Path) -> bytes:
        raise FileNotFoundError(2, "No such file or directory", "run.sh")

    monkeypatch.setattr(context, "_content_hash", vanish)
    with pytest.raises(PermanentError, match=r"cannot be read: .* No such file"):
        identity(asked)
