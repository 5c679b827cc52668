"""A log is quoted by the lines that name the cause."""

import pytest

from lgtm_deploy.core.log_excerpt import excerpt, quoted
from tests.core.recordings import named, recording

REFUSED = [name for name in named("") if "log_tail" in recording(name) and recording(name).get("exit_code") is not None]


def log_of(name: str) -> list[str]:
    recorded = recording(name)
    return [*recorded.get("log_head", ()), *recorded["log_tail"]]


def test_mimir_that_wants_its_runtime_config_from_a_bucket_is_explained_by_the_first_error() -> None:
    found = quoted(log_of("mimir-2.16.0-runtime-config-s3"))

    assert found.startswith('first errors in its log: level=error msg="module failed" module=runtime-config')
    assert "open s3://bucket/overrides.yaml: no such file or directory" in found
    assert "mimir.go:1001" not in found


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("mimir-2.16.0-unknown-key", "line 23: field storage_prefixx not found in type rulestore.Config"),
        ("mimir-2.16.0-bad-value", "line 57: cannot unmarshal !!str `many` into float64"),
        ("loki-3.5.1-unknown-key", "line 32: field volume_enabledd not found in type validation.plain"),
        ("loki-3.5.1-bad-value", 'unknown unit "x" in duration "336x"'),
        ("tempo-2.9.0-unknown-key", "line 18: field max_block_durationn not found in type ingester.Config"),
        ("tempo-2.9.0-bad-value", "line 2: cannot unmarshal !!str `abc` into int"),
        ("tempo-3.0.3-config-of-2.x", "line 16: field ingester not found in type app.Config"),
        ("pyroscope-2.0.4-unknown-key", "line 6: field http_listen_portt not found in type server.Config"),
        ("pyroscope-2.0.4-s3-prefix", "line 26: field prefix not found in type s3.Config"),
        ("pyroscope-1.13.5-config-of-2.x", "line 9: field architecture_storage not found in type main.mainFlags"),
        ("pyroscope-1.13.5-storage-prefix-slash", "field prefix not found in type phlare.StorageConfig"),
        ("tempo-2.9.0-no-private-address", "no private IP address found, and explicit IP not provided"),
        ("tempo-2.3.1-s3-unreachable", "dial tcp 127.0.0.1:9: connect: connection refused"),
        ("tempo-3.0.3-s3-unreachable", "dial tcp 127.0.0.1:9: connect: connection refused"),
        ("loki-3.5.1-s3-unreachable", "connection refused"),
        ("mimir-2.16.0-s3-unreachable", "Unable to successfully connect to configured object storage"),
        ("pyroscope-2.0.4-storage-prefix-slash", "Segment Writer not ready: waiting for 30s after being ready"),
    ],
)
def test_a_recorded_log_is_quoted_with_its_cause(name: str, cause: str) -> None:
    assert cause in quoted(log_of(name))


@pytest.mark.parametrize("name", REFUSED)
def test_no_more_than_a_few_short_lines_are_quoted_and_no_stack(name: str) -> None:
    found = excerpt(log_of(name))

    assert 0 < len(found) <= 5
    assert all(len(line) <= 500 for line in found)
    assert "/usr/local/go/src" not in " ".join(found)
    assert excerpt(found) == found


GO = [
    "starting",
    "panic: runtime error: invalid memory address or nil pointer dereference",
    "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x4a2b3c]",
    "",
    "goroutine 1 [running]:",
    "main.main()",
    "\t/src/main.go:12 +0x1d",
]
PYTHON = [
    "starting",
    "Traceback (most recent call last):",
    '  File "/app/main.py", line 3, in <module>',
    "    start()",
    '  File "/app/main.py", line 9, in start',
    "    raise ValueError(port)",
    "ValueError: no port",
]
PYTHON_3_11 = [
    "Traceback (most recent call last):",
    '  File "/app/main.py", line 3, in <module>',
    '    run(load("x"))',
    "        ~~~~^^^^^",
    "ValueError: no database",
]
NGINX = [
    "2026/01/01 12:00:00 [emerg] 1#1: bind() failed",
    *(f"2026/01/01 12:00:0{second} [notice] 1#1: exit" for second in range(8)),
]
JAVA = ["Exception in thread main java.lang.Error: no disk", "\tat a.B.c(B.java:1)", "    at a.B.d(B.java:2)"]


@pytest.mark.parametrize(
    ("log", "kept"),
    [
        (GO, ("panic: runtime error: invalid memory address or nil pointer dereference",)),
        (GO[4:], ()),
        (["cannot start", *GO[4:]], ("cannot start",)),
        (PYTHON, ("starting", "ValueError: no port")),
        (PYTHON_3_11, ("ValueError: no database",)),
        (NGINX, ("2026/01/01 12:00:00 [emerg] 1#1: bind() failed",)),
        (["logger=x t=1 level=error msg=a", "logger=x t=2 level=error msg=a"], ("logger=x level=error msg=a",)),
        (JAVA, ("Exception in thread main java.lang.Error: no disk",)),
        (
            ['{"level":"info","msg":"a"}', '{"level":"error","msg":"b"}', '{"level":"info","msg":"c"}'],
            ('{"level":"error","msg":"b"}',),
        ),
        (["t=1 lvl=info msg=a", "t=2 lvl=eror msg=b"], ("lvl=eror msg=b",)),
        (["2026-01-01T00:00:00Z [ERROR] raft: no leader", "x"], ("2026-01-01T00:00:00Z [ERROR] raft: no leader",)),
        (["ts=1 level=error msg=a", "ts=2 level=error msg=a"], ("level=error msg=a",)),
        (["level=info msg=error", "level=warn msg=slow"], ("level=warn msg=slow",)),
        (["level=info msg=a", "level=info msg=b"], ("level=info msg=a", "level=info msg=b")),
        (["level=error msg=" + "x" * 900], ("level=error msg=" + "x" * 484,)),
        ([str(number) for number in range(9)], ("4", "5", "6", "7", "8")),
        ([], ()),
    ],
)
def test_levels_and_stack_traces_are_told_apart(log: list[str], kept: tuple[str, ...]) -> None:
    assert excerpt(log) == kept
