"""YAML files that only say things, and where in them something stands."""

import time
from pathlib import Path

import pytest

from lgtm_deploy.config.source import read
from lgtm_deploy.core.errors import UsageError
from tests.config.files import place


def written(folder: Path, text: str) -> Path:
    file = folder / "any.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("a: 1\nb: [c\nd: {}\n", "3:2", "not valid YAML: expected ',' or ']'"),
        ("a: 1\n\tb: 2\n", "2:1", "not valid YAML: found character '\\t'"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "4:3", 'not valid YAML: found duplicate key "c"'),
        ("a: *nowhere\n", "1:4", "not valid YAML: found undefined alias 'nowhere'"),
        ("a: 1\n---\nb: 2\n", "2:1", "not valid YAML"),
        ("a: 1\nb: !secret x\n", "2:4", "YAML tags such as !secret are not allowed"),
        ("a:\n  - !!python/object/apply:os.system [true]\n", "2:5", "YAML tags such as tag:yaml.org,2002:python"),
        ("a: 1\nb: !!set {x}\n", "2:4", "YAML tags such as tag:yaml.org,2002:set are not allowed"),
        ("a: !!binary aGVsbG8=\n", "1:4", "YAML tags such as tag:yaml.org,2002:binary are not allowed"),
        ("a: !!str 1\n", "1:4", "YAML tags such as tag:yaml.org,2002:str are not allowed"),
        ("a: !!map {b: 1}\n", "1:4", "YAML tags such as tag:yaml.org,2002:map are not allowed"),
        ("a: ! x\n", "1:4", "YAML tags such as ! are not allowed"),
        ("a: 1\n!foo b: 2\n", "2:1", "YAML tags such as !foo are not allowed"),
        ("a: 1\nb: 2026-02-30\n", "2:4", "not valid YAML: day is out of range for month"),
        ("a: 2026-01-01T99:99:99Z\n", "1:4", "not valid YAML: hour must be in 0..23"),
        (f"a: {'1' * 5000}\n", "1:4", "not valid YAML: Exceeds the limit"),
        ('a: 1\nb: "x\\UFFFFFFFF"\n', "2:2", "not valid YAML: "),
        ("a: 1\n? [b]\n: 1\n", "2:3", "a list or map cannot be a key"),
        ("a: &a {b: 1}\n*a : 1\n", "2:1", "a list or map cannot be a key"),
        ('"\\UFFFFFFFF": 1\n', "1:1", "not valid YAML: "),
        ("a: &a\n  <<: *a\n  b: 1\n", "2:7", "an alias leads to itself"),
        ("a: &a [x, *a]\n", "1:11", "an alias leads to itself"),
        ("- a\n", "1:1", "a map of keys is expected here"),
        ("", "1:1", "a map of keys is expected here"),
        ("just words\n", "1:1", "a map of keys is expected here"),
    ],
)
def test_a_file_that_cannot_be_used_is_pointed_into(tmp_path: Path, text: str, where: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(written(tmp_path, text))

    assert place(caught) == where
    assert message in caught.value.message
    assert "\n" not in str(caught.value)


def test_a_duplicate_key_is_told_without_what_is_below_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(written(tmp_path, "a: {password: x1}\na: {password: x2}\n"))

    assert "password" not in str(caught.value)


def test_aliases_that_grow_without_end_are_refused_soon(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    with pytest.raises(UsageError, match="aliases make it too large"):
        read(written(tmp_path, "\n".join(lines)))


@pytest.mark.parametrize(
    "text",
    [
        f"a: {'[' * 3000}{']' * 3000}\n",
        f"a: {'{b: ' * 1500}1{'}' * 1500}\n",
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200)),
        f"a: &a {{{', '.join(f'k{n}: 1' for n in range(300))}}}\nb:\n  <<: [{', '.join(['*a'] * 700)}]\n",
    ],
    ids=["lists", "maps", "aliases", "merges"],
)
def test_a_small_hostile_file_is_refused_before_anything_is_made_of_it(tmp_path: Path, text: str) -> None:
    began = time.process_time()

    with pytest.raises(UsageError, match="the file is nested too deeply, or its aliases make it too large"):
        read(written(tmp_path, text))

    # Without the limits of the loader it takes minutes.
    assert time.process_time() - began < 10.0


def test_aliases_and_merges_in_their_measure_are_followed(tmp_path: Path) -> None:
    source = read(written(tmp_path, "a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]\n"))

    assert source.values["b"]["x"] == 1
    assert source.values["c"][1] == {"x": 1}


def test_a_file_nested_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the file is nested too deeply"):
        read(written(tmp_path, f"a: {'[' * 60}{']' * 60}\n"))


def test_what_is_no_text_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Cannot read .*none\.yaml: No such file"):
        read(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="Is a directory"):
        read(tmp_path)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is not UTF-8 text"):
        read(tmp_path / "binary.yaml")
    (tmp_path / "large.yaml").write_text("#" * (1 << 20) + "##")
    with pytest.raises(UsageError, match="is larger than 1 MiB"):
        read(tmp_path / "large.yaml")


def test_places_are_of_keys_and_items_or_the_nearest_thing_above(tmp_path: Path) -> None:
    source = read(written(tmp_path, "a:\n  b:\n    - x\n    - y\n"))

    places = [source.where(path).rpartition("any.yaml:")[2] for path in ((), ("a",), ("a", "b", 1), ("a", "none", "c"))]
    assert places == ["1:1", "1:1", "4:7", "1:1"]
