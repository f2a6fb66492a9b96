"""A draft from a browser's recording: the journey of a user, in order, with its pauses."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from perfrun.api import Json
from perfrun.cli.init.draft import (
    CHANGES_DATA,
    MAX_PATH_LENGTH,
    MAX_STEPS,
    Draft,
    ScenarioDraft,
    SourceError,
    StepDraft,
    is_read,
    left_out_notes,
)
from perfrun.cli.init.foreign import SentBody
from perfrun.cli.init.har.entries import Entry, entries_of
from perfrun.cli.init.har.hidden import SecretReplacer, UnwrittenError, plain_path
from perfrun.cli.init.load import users
from perfrun.cli.init.openapi.bodies import FORM
from perfrun.cli.init.openapi.parameters import Variables
from perfrun.cli.init.secrets import SecretFeed, fill_note, secret_value
from perfrun.cli.init.texts import (
    MAX_HEADER_LENGTH,
    UniqueNames,
    counted,
    header_template,
    literal,
    one_line,
    slug,
)

_MAX_ORIGINS = 10
_MIN_THINK_MS = 100
_MAX_THINK_MS = 30_000


def har_drafts(
    root: Any, *, source: str, name: str, url: str, writes: bool, everything: bool
) -> list[Draft]:
    """A draft for the visited site; ``everything``: one for each origin. Raises SourceError."""
    entries, unread = entries_of(root, source)
    left: Counter[str] = Counter()
    if unread:
        left["unreadable, or not HTTP"] = unread
    if not entries:
        raise SourceError(f"{one_line(source, 80)}: has no readable request")
    by_origin: dict[str, list[Entry]] = {}
    for entry in entries:
        by_origin.setdefault(entry.origin, []).append(entry)
    main = _main(entries, by_origin, url)
    origins = [main, *(one for one in by_origin if one != main)]
    if not everything:
        third = sum(len(by_origin[one]) for one in origins[1:])
        if third:
            left["to other origins (--all)"] = third
        origins = origins[:1]
    drafts: list[Draft] = []
    names = UniqueNames()
    given_up: Counter[str] = Counter()
    for origin in origins[:_MAX_ORIGINS]:
        asked = url if origin == main and url else origin
        host = urlsplit(origin).hostname or ""
        wanted = (name if origin == main else slug(f"{name} {host}")) or slug(host) or "journey"
        # Leaves space for a number at the end.
        title = names.take(wanted if wanted == name else wanted[:36].strip("-"), "journey")
        told = Counter(left)
        draft = _draft(
            by_origin[origin],
            told,
            title,
            asked,
            source,
            writes=writes,
            everything=everything,
        )
        given_up.update(told)
        left.clear()  # reported only once
        if draft is not None:
            drafts.append(draft)
    if not drafts:
        raise SourceError(
            f"{one_line(source, 80)}: none of {len(entries)} requests can be used. perfrun "
            "uses successful reads (--writes: all methods) that are not static assets (--all: "
            f"those too); left out: {_reasons(given_up)}"
        )
    return drafts


def _reasons(left: Counter[str]) -> str:
    return "; ".join(f"{counted(count)} {why}" for why, count in left.items())


def _main(entries: Sequence[Entry], by_origin: dict[str, list[Entry]], url: str) -> str:
    """The origin that is tested: that of --url, otherwise that of the first page, otherwise the one
    with the most requests."""
    parts = urlsplit(url)
    asked = f"{parts.scheme}://{parts.netloc.lower()}"
    if asked in by_origin:
        return asked
    shown = (one.origin for one in entries if one.page and one.status == 200)
    return next(shown, max(by_origin, key=lambda origin: len(by_origin[origin])))


def _draft(
    entries: Sequence[Entry],
    left: Counter[str],
    name: str,
    url: str,
    source: str,
    *,
    writes: bool,
    everything: bool,
) -> Draft | None:
    kept = [one for one in entries if _wanted(one, left, writes=writes, everything=everything)]
    variables, feed = Variables(), SecretFeed(name)
    hider = SecretReplacer(name, variables, feed)
    steps = _steps(kept, hider, left)
    if not steps:
        return None
    scenarios = (ScenarioDraft("journey", tuple(steps)),)
    http, notes = _target(kept, hider)
    return Draft(
        name=name,
        url=url,
        scenarios=scenarios,
        load=users(scenarios),
        http=http,
        variables=variables.values,
        feeds=feed.feeds,
        notes=(
            f"From {one_line(source, 80)}: {len(steps)} of {len(entries)} requests to {url}.",
            *left_out_notes(left),
        ),
        target_notes=tuple(notes),
        data_notes=(*_VARIABLE_NOTES[: 1 if variables.values else 0], *feed.notes),
        scenario_notes=("In the order of the recording; thinkTime is the recorded pause.",),
    )


_VARIABLE_NOTES = (
    "Ids of the recording, each defined once. To use several, see feeds and extract in "
    "docs/reference/templates.md.",
)


def _wanted(entry: Entry, left: Counter[str], *, writes: bool, everything: bool) -> bool:
    if entry.static and not everything:
        why = "for static assets (--all)"
    elif not (writes or is_read(entry.method)):
        why = CHANGES_DATA
    elif entry.status == 0:
        why = "without a response: cancelled, or blocked"
    elif entry.status is not None and not 200 <= entry.status < 400:
        why = "without success"
    else:
        return True
    left[why] += 1
    return False


def _steps(entries: Sequence[Entry], hider: SecretReplacer, left: Counter[str]) -> list[StepDraft]:
    names = UniqueNames()
    names.take("journey", "")  # steps and scenarios share one set of names
    taken: list[tuple[StepDraft, Entry]] = []
    for entry in entries:
        if len(taken) == MAX_STEPS:
            left[f"beyond the {MAX_STEPS} steps that a scenario can have"] += 1
            continue
        try:
            step = _step(entry, hider, names)
        except UnwrittenError as reason:
            left[str(reason)] += 1
            continue
        taken.append((step, entry))
    following = [*(entry for _, entry in taken), None][1:]
    return [
        _with_pause(step, entry, later)
        for (step, entry), later in zip(taken, following, strict=True)
    ]


def _step(entry: Entry, hider: SecretReplacer, names: UniqueNames) -> StepDraft:
    path = hider.path(entry.path)
    if len(path) > MAX_PATH_LENGTH:
        raise UnwrittenError("with a path that is too long")
    body = hider.body(entry)
    headers = _with_kind(hider.headers(entry), entry, body)
    return StepDraft(
        name=names.take(slug(f"{entry.method} {plain_path(entry.path)}"), "step"),
        path=path,
        method=entry.method,
        headers=headers,
        json=body.json,
        body=body.text,
        status=_expected(entry.status),
        notes=()
        if entry.status is not None
        else ("The recording has no response to this request.",),
    )


def _with_kind(headers: tuple[Json, ...], entry: Entry, body: SentBody) -> tuple[Json, ...]:
    """With the Content-Type of the body if the recording has it only beside the headers."""
    if body.text is None and body.json is None:
        return headers
    stated = [one for one in headers if one["name"] == "Content-Type"]
    if body.kind and (not stated or body.kind != FORM):
        others = tuple(one for one in headers if one["name"] != "Content-Type")
        return (*others, {"name": "Content-Type", "value": literal(body.kind)})
    kind = header_template([SecretReplacer.kind_of(entry)])[:MAX_HEADER_LENGTH] or FORM
    plain_json = body.json is not None and kind == "application/json"
    if stated or plain_json or secret_value(kind):
        return headers
    return (*headers, {"name": "Content-Type", "value": kind})


def _expected(status: int | None) -> tuple[int, ...]:
    """304 answers a question that only a browser with a cache asks, 206 a request for a part of a
    file. Their headers are not copied."""
    if status is None or status == 304:
        return ()
    return (200, 206) if status == 206 else (status,)


def _with_pause(step: StepDraft, entry: Entry, later: Entry | None) -> StepDraft:
    if later is None or not entry.start:
        return step
    gap = round(min((later.start - entry.end) * 10, _MAX_THINK_MS / 100)) * 100
    if gap < _MIN_THINK_MS:
        return step
    return replace(step, think_ms=gap)


def _target(entries: Sequence[Entry], hider: SecretReplacer) -> tuple[Json, list[str]]:
    """Further fields of the target, and notes about them."""
    http: Json = hider.authorization(list(entries))
    notes = []
    if sum(one.http2 for one in entries) * 2 > len(entries):
        http["protocol"] = "HTTP/2"
    if any(300 <= (one.status or 0) < 400 and one.status != 304 for one in entries):
        http["redirects"] = 0  # the requests that they lead to are separate steps
    sent = any(one.sends_cookies for one in entries)
    if sent or any(one.sets_cookies for one in entries):
        http["cookies"] = True
    if sent:
        notes.append(
            "Cookies are not copied: users keep those that the target sets. If a cookie must "
            "exist before, take the header Cookie from a Secret (valueFrom)."
        )
    if hider.dropped:
        names = one_line(", ".join(hider.dropped), 200)
        notes.append(f"Headers of the recording that were not copied: {names}.")
    if hider.keys:
        notes.append(fill_note(hider.secret, list(hider.keys)))
    return http, notes
