"""Counts and the table of differences."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bench.replay.compare import How

# Product: requests that the product itself sends. Page: status and diagnostics. Outcome: what is no exchange.
Kind = Literal["product", "API", "page", "outcome"]

NEEDED = 0.95
_NAME, _WHERE, _REASON = 44, 60, 200


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison. `wrong` is empty where all is as recorded.

    `status` tells that the status differs, `late` that a slow machine may be the cause.
    """

    kind: Kind
    where: str
    how: How = "exact"
    wrong: str = ""
    status: bool = False
    late: bool = False


@dataclass(frozen=True, kw_only=True)
class Result:
    """All comparisons of one recording. `fault` tells why it could not be played.

    `known` tells that the stand-in plays a recording of the same server, version and configuration.
    """

    name: str
    rows: Sequence[Row] = field(default=())
    fault: str = ""
    known: bool = False

    @property
    def late(self) -> bool:
        """Return true where a slow machine may be the cause of a difference."""
        return any(row.wrong and row.late for row in self.rows)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Results of all recordings; `own` counts the distinct requests of the product for each server.

    `unrecorded` has those of them that no recording holds.
    """

    results: Sequence[Result]
    own: dict[str, int]
    unrecorded: Sequence[str] = field(default=())

    def table(self) -> list[str]:
        """Return one line for each difference, with its reason."""
        lines = [
            f"{_cut(result.name, _NAME):{_NAME}}  {row.kind:7}  {_cut(row.where, _WHERE):{_WHERE}}  "
            f"{_cut(' '.join(row.wrong.split()), _REASON)}"
            for result in self.results
            for row in result.rows
            if row.wrong
        ]
        lines += [f"{_cut(each.name, _NAME):{_NAME}}  {each.fault}" for each in self.results if each.fault]
        head = f"{'recording':{_NAME}}  {'kind':7}  {'compared':{_WHERE}}  reason"
        return [head, *lines] if lines else []

    def counts(self) -> list[str]:
        """Return the numbers of recordings, exchanges, requests of the product, and matches."""
        rows = self._rows()
        exchanges = [row for row in rows if row.kind != "outcome"]
        ways = Counter(row.how for row in exchanges if not row.wrong)
        own = ", ".join(f"{server} {count}" for server, count in sorted(self.own.items()))
        return [
            f"recordings: {len(self.results)}, of which {sum(not each.rows for each in self.results)} compared nothing",
            f"requests that the product sends: {sum(self.own.values())} ({own})",
            f"exchanges: {len(exchanges)}, of which match {sum(ways.values())}: {ways['exact']} byte for byte, "
            f"{ways['shape']} by shape, {ways['page']} pages by status and content type, {ways['caveat']} by a caveat",
            *(self._count(kind, title) for kind, title in _TITLES.items()),
            f"requests of the product that these recordings do not hold: {len(self.unrecorded)}",
            *(f"  {_cut(each, _REASON)}" for each in self.unrecorded),
        ]

    def faults(self) -> list[str]:
        """Return the reasons for exit code 1; none where the replay succeeds."""
        reasons = [f"{each.name}: nothing was compared{_because(each.fault)}" for each in self.results if not each.rows]
        reasons += [] if self.results else ["there is no recording"]
        reasons += [f"no request of the product to {server} was collected" for server in self._without_own()]
        for kind, title in _TITLES.items():
            matched, total = self._matched(kind)
            share = NEEDED if kind in ("API", "page") else 1.0
            if matched < share * total:
                reasons.append(f"{title}: {matched} of {total} match, {share:.0%} are needed")
        # The stand-in plays this configuration: each status is in its data.
        played = [row for result in self.results if result.known for row in result.rows]
        if statuses := sum(bool(row.wrong) and row.status for row in played):
            reasons.append(f"configurations that the project has a recording of: {statuses} statuses differ")
        return reasons

    def _rows(self) -> list[Row]:
        return [row for result in self.results for row in result.rows]

    def _matched(self, kind: Kind) -> tuple[int, int]:
        rows = [row for row in self._rows() if row.kind == kind]
        return sum(not row.wrong for row in rows), len(rows)

    def _count(self, kind: Kind, title: str) -> str:
        matched, total = self._matched(kind)
        return f"{title}: {matched} of {total} match{f' ({matched / total:.1%})' if total else ''}"

    def _without_own(self) -> Iterable[str]:
        return sorted(server for server, count in self.own.items() if not count)


_TITLES: dict[Kind, str] = {
    "product": "exchanges with a request of the product",
    "API": "other API exchanges",
    "page": "status and diagnostics pages",
    "outcome": "readiness, exits and stops",
}


def _because(fault: str) -> str:
    return f" ({fault})" if fault else ""


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
