"""A draft from an access log: the mix of requests that the service really gets, and their rate."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Protocol

from perfrun.cli.init.draft import (
    CHANGES_DATA,
    DEFAULT_URL,
    MAX_PATH_LENGTH,
    MAX_SCENARIOS,
    Draft,
    ScenarioDraft,
    SourceError,
    StepDraft,
    is_read,
    left_out_notes,
)
from perfrun.cli.init.kinds import SUPPORTED
from perfrun.cli.init.load import as_logged
from perfrun.cli.init.logs.lines import parse_line
from perfrun.cli.init.logs.traffic import Occurrences, RequestKind, Traffic
from perfrun.cli.init.texts import (
    Part,
    UniqueNames,
    chosen,
    counted,
    encoded_path,
    one_line,
    path_template,
    slug,
)

_WEIGHTS = 1000
"""The approximate sum of all weights."""
_BREAKS = "/?&="


class LogLines(Protocol):
    """The source of the lines."""

    cut_off: bool

    def lines(self) -> Iterator[bytes]:
        """The lines one by one."""


def access_log_draft(
    log: LogLines, *, source: str, name: str, url: str, writes: bool, top: int
) -> Draft:
    """The draft from a log. Raises SourceError."""
    traffic = Traffic()
    for line in log.lines():
        if line.strip():
            traffic.add(parse_line(line))
    source = one_line(source, 80)
    if not traffic.lines:
        raise SourceError(f"{source}: has no lines")
    if not traffic.requests:
        raise SourceError(
            f"{source}: is nothing that init reads ({SUPPORTED}); read as an access log, none of "
            f"its {traffic.lines:,} lines is in a format that is known: common and combined "
            "(nginx, Apache), the default of Envoy, and JSON with method, uri, status and time"
        )
    wanted = _wanted(traffic, min(top, MAX_SCENARIOS), writes=writes)
    if not wanted:
        raise SourceError(
            f"{source}: none of {traffic.requests:,} requests can be used: perfrun uses reads "
            "(--writes: all methods) with status 2xx or 3xx"
        )
    scenarios = tuple(_scenarios(wanted))
    return Draft(
        name=name,
        url=url or DEFAULT_URL,
        scenarios=scenarios,
        load=as_logged(scenarios, *traffic.rates.median_and_peak()),
        http={"redirects": 0} if _redirects(wanted) else {},
        notes=tuple(_notes(traffic, wanted, source, cut_off=log.cut_off, writes=writes)),
        target_notes=() if url else ("CHANGE THIS: a log does not tell which service wrote it.",),
        scenario_notes=(
            "Weighted by how often they are in the log. Ids and queries are samples from it: "
            "check that they may be requested and contain no personal data.",
        ),
    )


def _wanted(
    traffic: Traffic, top: int, *, writes: bool
) -> list[tuple[RequestKind, Occurrences, str]]:
    ordered = sorted(traffic.kinds.items(), key=lambda item: (-item[1].count, item[0]))
    wanted: list[tuple[RequestKind, Occurrences, str]] = []
    for kind, seen in ordered:
        if len(wanted) == top:
            break
        if not seen.samples or not (writes or is_read(kind.method)):
            continue
        path = _path(list(seen.samples))
        if len(path) <= MAX_PATH_LENGTH:
            wanted.append((kind, seen, path))
    return wanted


def _scenarios(wanted: Sequence[tuple[RequestKind, Occurrences, str]]) -> Iterator[ScenarioDraft]:
    names = UniqueNames()
    total = sum(seen.count for _, seen, _ in wanted)
    for number, (kind, seen, path) in enumerate(wanted, 1):
        notes = [f"{kind.method} {one_line(kind.path, 80)}: {counted(seen.count)}"]
        if not is_read(kind.method):
            notes.append("Logs contain no bodies: add json, or body and its header Content-Type.")
        step = StepDraft(
            name=names.take(slug(f"{kind.method} {kind.path}"), kind.method.lower()),
            path=path,
            method=kind.method,
            notes=tuple(notes),
        )
        weight = max(round(_WEIGHTS * seen.count / total), 1)
        yield ScenarioDraft(names.take(f"s{number}", "s"), (step,), weight)


def _shown(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M}"


def _path(samples: Sequence[str]) -> str:
    """The common beginning and end of all samples; between them, one of their middle parts."""
    head = _common(samples)
    rest = [sample[len(head) :] for sample in samples]
    tail = _common([one[::-1] for one in rest])[::-1]
    middle = [encoded_path(one[: len(one) - len(tail)]).replace("'", "%27") for one in rest]
    parts: list[Part] = [head, chosen(middle), tail]
    return path_template(parts) if any(middle) else path_template([samples[0]])


def _common(texts: Sequence[str]) -> str:
    """The common beginning, up to and including a separator of a path or query."""
    first, last = min(texts), max(texts)
    if first == last:
        return first
    pairs = zip(first, last, strict=False)
    common = first[: next((at for at, (a, b) in enumerate(pairs) if a != b), len(first))]
    return common[: max(common.rfind(char) for char in _BREAKS) + 1]


def _redirects(wanted: Iterable[tuple[RequestKind, Occurrences, str]]) -> bool:
    """Whether following redirects would repeat requests that the log also contains."""
    return any(300 <= status < 400 for _, seen, _ in wanted for status in seen.statuses)


def _notes(
    traffic: Traffic,
    wanted: Sequence[tuple[RequestKind, Occurrences, str]],
    source: str,
    *,
    cut_off: bool,
    writes: bool,
) -> Iterator[str]:
    taken = sum(seen.count for _, seen, _ in wanted)
    requests = traffic.requests
    first, last = (_shown(second) for second in traffic.rates.span)
    yield (
        f"From {source}: {counted(requests)} from {first} to {last}; below: "
        f"{counted(len(wanted), 'kind')}, {taken / requests:.1%} of them."
    )
    changing = sum(one.count for kind, one in traffic.kinds.items() if not is_read(kind.method))
    yield from left_out_notes(
        {
            "with a status other than 2xx or 3xx": traffic.failed,
            CHANGES_DATA: 0 if writes else changing,
            "with a path that seems to contain a token": traffic.with_tokens,
        }
    )
    if traffic.hidden:
        names = one_line(", ".join(traffic.hidden), 150)
        yield f"Not copied: values of the parameters {names}, which look like secrets."
    if traffic.unread:
        yield f"Not read: {traffic.unread:,} of {traffic.lines:,} lines."
    if cut_off:
        yield "The file is damaged or truncated: only the part before that is used."
