"""What a source is turned into before it is written: plain data, named as in the API."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, get_args

from perfrun.api import Json
from perfrun.api.template import parse, references
from perfrun.api.test.scenario import Method
from perfrun.cli.init.texts import counted, one_line

MAX_SCENARIOS = 50
MAX_STEPS = 50
"""The limits of the API for one scenario."""
MAX_PATH_LENGTH = 2048
DEFAULT_URL = "http://localhost:8080"

ALL_CLASSES = frozenset(("Read", "Write"))
"""The methods that steps of a draft may have."""
_MAX_NOTES = 200
_MAX_LINES = 8
_MAX_REASONS = 5
METHODS: tuple[str, ...] = get_args(Method)
_READS = ("GET", "HEAD", "OPTIONS")
CHANGES_DATA = "with methods that change data (--writes)"
"""Why every importer leaves a request out, unless the command line wants it."""
MAX_HEADERS = 50
"""Of a step."""


class SourceError(Exception):
    """No test can be made from a source; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class StepDraft:
    """One request. Path, texts in ``json``, ``body`` and values of headers are templates."""

    name: str
    path: str
    method: str = "GET"
    headers: tuple[Json, ...] = ()
    json: Any = None
    body: str | None = None
    status: tuple[int, ...] = ()
    expect_json: Mapping[str, Any] = field(default_factory=dict)
    """JSONPaths of expected values."""
    extract: Mapping[str, Json] = field(default_factory=dict)
    think_ms: int = 0
    max_ms: int = 0
    """How long a response may take, according to the source; 0: it does not say."""
    notes: tuple[str, ...] = ()

    @property
    def class_(self) -> str:
        """What a response is expected to be by default."""
        return "Read" if self.method in _READS else "Write"


@dataclass(frozen=True, slots=True)
class ScenarioDraft:
    """Steps in order, and how often the scenario is chosen."""

    name: str
    steps: tuple[StepDraft, ...]
    weight: int = 1


@dataclass(frozen=True, slots=True)
class LoadDraft:
    """The load, its objectives, and the reasons for both."""

    load: Json
    slos: tuple[Json, ...]
    notes: tuple[str, ...] = ()
    rare: frozenset[str] = frozenset()
    """Classes with too few requests to judge them."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A PerfTest to be written."""

    name: str
    url: str
    """Empty, and no scenarios: ``script`` is the target."""
    scenarios: tuple[ScenarioDraft, ...]
    load: LoadDraft
    script: Json = field(default_factory=dict)
    """A script of another tool."""
    namespace: str = ""
    pod: Json = field(default_factory=dict)
    """``podTemplate``."""
    http: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the target: auth, headers, cookies."""
    variables: Mapping[str, str] = field(default_factory=dict)
    feeds: tuple[Json, ...] = ()
    setup: tuple[StepDraft, ...] = ()
    teardown: tuple[StepDraft, ...] = ()
    notes: tuple[str, ...] = ()
    """The origin of the test, and what was left out."""
    target_notes: tuple[str, ...] = ()
    data_notes: tuple[str, ...] = ()
    """Comments on variables and feeds."""
    scenario_notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Amendment:
    """What a source without requests adds to the test of another source."""

    slos: tuple[Json, ...] = ()
    """All objectives of the test; empty: the source has none."""
    load: Json | None = None
    notes: tuple[str, ...] = ()


def amended(draft: Draft, amendment: Amendment) -> Draft:
    """The draft, changed by an amendment. Raises SourceError."""
    load = draft.load
    if draft.script and amendment.load is not None:
        raise SourceError("the script already contains the load: leave out the other k6 script")
    if amendment.load is not None:
        notes = ("The load of the source.",)
        # The objectives of classes were made for the load that is replaced.
        slos = tuple(one for one in load.slos if "of" not in one)
        load = LoadDraft(amendment.load, slos, notes, ALL_CLASSES)
    if amendment.slos:
        load = replace(load, slos=amendment.slos, rare=ALL_CLASSES)
    return replace(draft, load=load, notes=(*draft.notes, *amendment.notes))


class NotCarried:
    """Things in a source that a draft cannot express: each by its name, with its lines."""

    def __init__(self) -> None:
        self._lines: dict[str, list[int]] = {}

    def add(self, what: str, line: int = 0) -> None:
        """``what`` may be any text of the source. The line is 0 if it is not known."""
        self._lines.setdefault(one_line(what, 240), []).append(line)

    def notes(self) -> tuple[str, ...]:
        """A sentence for each; if there are many, the last one says how many more there are."""
        told = [
            f"Not carried over: {what}{_at(lines)}"
            for what, lines in islice(self._lines.items(), _MAX_NOTES)
        ]
        more = list(self._lines.values())[_MAX_NOTES:]
        if more:
            line = min(one for lines in more for one in lines)
            told.append(
                f"Not carried over: {len(more):,} more, the first on line {line}. Take a smaller "
                "part of the source."
            )
        return tuple(told)

    def reasons(self, *others: str) -> str:
        """Why nothing is left of a source, for an error: the first ones, behind ``others``."""
        told = [*(one.rstrip(".") for one in others), *self.notes()]
        more = f"; and {len(told) - _MAX_REASONS} more" if len(told) > _MAX_REASONS else ""
        return "; ".join(told[:_MAX_REASONS]) + more


def left_out_notes(left: Mapping[str, int], what: str = "request") -> tuple[str, ...]:
    """A sentence for each reason why some were left out, and how many."""
    return tuple(f"Left out: {counted(count, what)} {why}." for why, count in left.items() if count)


def _at(lines: Sequence[int]) -> str:
    known = [f"{one}" for one in dict.fromkeys(lines) if one]
    if not known:
        return ""
    shown = ", ".join(known[:_MAX_LINES])
    more = f" and {len(known) - _MAX_LINES} more" if len(known) > _MAX_LINES else ""
    return f" (line{'s' if len(known) > 1 else ''} {shown}{more})"


def with_common_headers(
    scenarios: Sequence[ScenarioDraft],
) -> tuple[list[Json], list[ScenarioDraft]]:
    """The headers that all steps send, which become headers of the target, and the steps without
    them."""
    steps = [step for one in scenarios for step in one.steps]
    extracted = {name for step in steps for name in step.extract}
    common = [
        header
        for header in (steps[0].headers if len(steps) > 1 else ())
        if all(header in step.headers for step in steps)
        and not references(parse(header.get("value", ""))) & extracted
    ]
    return common, [
        replace(
            one,
            steps=tuple(
                replace(step, headers=tuple(it for it in step.headers if it not in common))
                for step in one.steps
            ),
        )
        for one in scenarios
    ]


def is_read(method: str) -> bool:
    """Whether a request with this method changes nothing."""
    return method in _READS


def first_headers(headers: Iterable[Json], shown: str, line: int, lost: NotCarried) -> list[Json]:
    """As many as a step can have; the others are named."""
    kept = list(headers)
    for one in kept[MAX_HEADERS:]:
        name = one_line(one["name"], 60)
        lost.add(f"header {name} of {shown}: a step has at most {MAX_HEADERS}", line)
    return kept[:MAX_HEADERS]
