"""Where a text names a service: URLs, and targets that are scraped."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lgtm_deploy.core.code_lines import code_lines

# Prometheus: scrape_config, metrics_path.
_METRICS = "/metrics"
_PORTS = {"http": 80, "https": 443}
_ADDRESS = re.compile(
    r"(?<![\w.@/$-])(?:(?P<scheme>https?)://(?:[^/\s\"']+@)?)?"
    r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::(?P<port>\d{1,5}))?(?![\w.-])"
    r"(?P<path>/[^\s\"'`<>\\,;(){}\[\]|$]*)?(?P<more>[${])?"
)
# What is filled in elsewhere: ${var.domain}, $DOMAIN, $(DOMAIN), %{if x}, {{ .domain }}.
_HOLE = r"(?:\$\{[^{}]*\}|\{\{[^{}]*\}\}|%\{[^{}]*\}|\$\([^()]*\)|\$[A-Za-z_]\w*)"
_FILLED_IN = re.compile(
    rf"(?<![\w.@/}}-])(?:(?P<scheme>https?)://(?:[^/\s\"']+@)?)?"
    rf"(?P<host>(?:[A-Za-z0-9.-]|{_HOLE})+)(?::(?P<port>\d{{1,5}}(?!\d)|{_HOLE}))?"
    rf"(?P<path>/[^\s\"'`<>\\,;(){{}}\[\]|$]*)?"
)
_HOLES = re.compile(_HOLE)
_WORDS = re.compile(r"[A-Za-z0-9]+")
# Whoever is told of a mention need not know the password in it.
_LOGIN = re.compile(r"://[^/\s]+@")
_METRICS_PATH = re.compile(r"(?:__)?metrics_path(?:__)?[\"']?\s*[:=]\s*[\"']?(?P<path>/[^\s\"',}\]]*)")
_SCRAPED = re.compile(r"\btargets\b|__address__")
_JOB = re.compile(r"\bjob_name\b")
_BLOCK = re.compile(r"^\s*[\w.]+\s+\"[^\"]*\"\s*\{\s*$")


@dataclass(frozen=True, kw_only=True)
class Mention:
    """A line that names the service: the host (lower case), what the line says, and the path that is asked there
    (empty: all of them, as by a base URL; None: it cannot be seen).

    `scraped` says that the path stands elsewhere, as `metrics_path`; `filled_in` that the host or the port does, so
    that it may be another one.
    """

    line: int
    host: str
    says: str
    path: str | None
    scraped: bool = False
    filled_in: bool = False

    def under(self, prefix: str) -> str:
        """What it has to say for the path under a prefix."""
        if self.scraped:
            return f"metrics_path {prefix}{self.path}"
        path = "" if self.path == "/" else self.path or ""
        return f"{self.says.removesuffix(self.path or '')}{prefix}{path}"


def mentions(file: str, text: str, *, hosts: frozenset[str], port: int) -> list[Mention]:
    """The places that name one of these hosts (lower case) on that port, comments left out.

    A full name counts by its first label, too, as a service registry makes it: `tempo.lgtm.local`.
    """
    if not _names_one(text, hosts):
        return []
    lines = [line for _, line in code_lines(file, text)]
    return [
        found for at, line in enumerate(lines) if _names_one(line, hosts) for found in _on_line(lines, at, hosts, port)
    ]


def _names_one(text: str, hosts: frozenset[str]) -> bool:
    """Whether there is anything to look at more closely: most files and lines name none of them."""
    lowered = text.lower()
    return any(host in lowered for host in hosts)


def _on_line(lines: Sequence[str], at: int, hosts: frozenset[str], port: int) -> list[Mention]:
    line = lines[at]
    plain = [found for found in _ADDRESS.finditer(line) if _is_meant(found, hosts, port)]
    holes = _FILLED_IN.finditer(line) if _HOLES.search(line) else ()
    filled = [found for found in holes if not any(_overlap(found, each) for each in plain)]
    return [
        *(_mention(lines, at, found) for found in plain),
        *(
            Mention(
                line=at + 1,
                host=found["host"].lower(),
                says=_LOGIN.sub("://***@", found[0]),
                path=found["path"] or "",
                filled_in=True,
            )
            for found in filled
            if _may_be_meant(found, hosts, port)
        ),
    ]


def _overlap(one: re.Match[str], other: re.Match[str]) -> bool:
    return one.start() < other.end() and other.start() < one.end()


def _may_be_meant(found: re.Match[str], hosts: frozenset[str], port: int) -> bool:
    """Whether a host or a port that is filled in elsewhere may turn out to be the one."""
    host, named = found["host"], found["port"] or ""
    if not _HOLES.search(host + named) or not (found["scheme"] or named.isdigit()):
        return False
    if named.isdigit() or not named:
        asked = int(named) if named else _PORTS[found["scheme"]]
        if asked != port:
            return False
    # The first label, with dots in what is filled in being no end of it.
    shown = _HOLES.sub(lambda hole: hole[0].replace(".", "_"), host)
    label = shown.partition(".")[0].lower()
    return label in hosts or (_HOLES.search(label) is not None and not hosts.isdisjoint(_WORDS.findall(_spaced(label))))


def _spaced(text: str) -> str:
    return text.replace("_", " ")


def _is_meant(found: re.Match[str], hosts: frozenset[str], port: int) -> bool:
    host = found["host"].lower()
    if host not in hosts and host.partition(".")[0] not in hosts:
        return False
    named = int(found["port"]) if found["port"] else _PORTS.get(found["scheme"] or "", 0)
    return named == port


def _mention(lines: Sequence[str], at: int, found: re.Match[str]) -> Mention:
    says = _LOGIN.sub("://***@", found[0].removesuffix(found["more"] or "").rstrip("."))
    host = found["host"].lower()
    if found["more"]:
        return Mention(line=at + 1, host=host, says=says, path=None)
    if found["scheme"] or found["path"]:
        return Mention(line=at + 1, host=host, says=says, path=(found["path"] or "").rstrip("."))
    job = _job(lines, at)
    if not any(_SCRAPED.search(line) for line in [lines[at], *job]):
        return Mention(line=at + 1, host=host, says=says, path=None)
    paths = [each["path"] for line in [lines[at], *job] if (each := _METRICS_PATH.search(line))]
    path = paths[0] if paths else _METRICS
    return Mention(line=at + 1, host=host, says=f"{says} (scraped at {path})", path=path, scraped=True)


def _job(lines: Sequence[str], at: int) -> Sequence[str]:
    """The lines that are about the same scrape: the YAML item with its `job_name`, or the block in braces."""
    return [*_item(lines, at), *_braced(lines, at)]


def _item(lines: Sequence[str], at: int) -> Iterator[str]:
    """The list item, however deep, that the line is in and that has a `job_name`."""
    depth = _indent(lines[at]) + 1
    for start in range(at, -1, -1):
        line = lines[start]
        if not line.strip() or _indent(line) >= depth:
            continue
        depth = _indent(line)
        if not line.lstrip().startswith("- "):
            continue
        item = list(_item_at(lines, start))
        if any(_JOB.search(each) for each in item):
            yield from item
            return


def _item_at(lines: Sequence[str], start: int) -> Iterator[str]:
    yield lines[start]
    for line in lines[start + 1 :]:
        if line.strip() and _indent(line) <= _indent(lines[start]):
            return
        yield line


def _braced(lines: Sequence[str], at: int) -> Iterator[str]:
    """The outermost block in braces around the line, as Alloy writes `prometheus.scrape "tempo" { … }`."""
    start = next((each for each in range(at, -1, -1) if _BLOCK.match(lines[each])), None)
    if start is None:
        return
    for line in lines[start:]:
        yield line
        if line.startswith("}"):
            return


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
