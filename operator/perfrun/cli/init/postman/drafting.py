"""A draft from a Postman collection: its requests in order, as one user sends them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from perfrun.api import Json
from perfrun.cli.init.draft import (
    CHANGES_DATA,
    MAX_SCENARIOS,
    MAX_STEPS,
    Draft,
    NotCarried,
    ScenarioDraft,
    SourceError,
    StepDraft,
    is_read,
    left_out_notes,
    with_common_headers,
)
from perfrun.cli.init.foreign import ForeignValues, limits_of, of_one_target
from perfrun.cli.init.load import users
from perfrun.cli.init.postman.address import Address, address_of
from perfrun.cli.init.postman.collection import (
    PostmanRequest,
    collection_name,
    collection_of,
    requests_of,
    secrets_of,
    variables_of,
)
from perfrun.cli.init.postman.script import effects_of
from perfrun.cli.init.postman.steps import NoStepError, PostmanSteps
from perfrun.cli.init.postman.values import PostmanValues
from perfrun.cli.init.source import text_of
from perfrun.cli.init.texts import counted, one_line, slug


class _Placed(NamedTuple):
    request: PostmanRequest
    address: Address

    @property
    def origin(self) -> str:
        return self.address.origin

    @property
    def is_known(self) -> bool:
        return self.address.is_known

    @property
    def shown(self) -> str:
        return f'request "{one_line(self.request.name, 60)}"'

    @property
    def line(self) -> int:
        return self.request.line


def postman_draft(
    root: Any,
    source: str,
    *,
    name: str,
    url: str,
    writes: bool,
    environments: Sequence[Json] = (),
) -> Draft:
    """The draft from a collection; the variables of environments go before its own, and the last
    one's before the others'. Raises SourceError."""
    collection = collection_of(root, source)
    name = name or slug(collection_name(collection), 40) or "collection"
    known = variables_of(collection)
    secret: set[str] = set()
    for one in environments:
        known |= variables_of(one)
        secret |= secrets_of(one)
    foreign = ForeignValues(name, secret)
    draft = _draft(collection, source, name, url, foreign, known, writes=writes)
    if foreign.found_secret == secret:
        return draft
    foreign = ForeignValues(name, foreign.found_secret)
    return _draft(collection, source, name, url, foreign, known, writes=writes)


def _draft(
    collection: Json,
    source: str,
    name: str,
    url: str,
    foreign: ForeignValues,
    known: Mapping[str, str],
    *,
    writes: bool,
) -> Draft:
    not_carried = NotCarried()
    found = list(requests_of(collection, not_carried))
    _reserve(found, foreign)
    values = PostmanValues(foreign, known, not_carried)
    left: Counter[str] = Counter()
    placed = list(_placed(found, values, left, not_carried, writes=writes))
    target, target_notes, mine = of_one_target(placed, url, not_carried)
    steps = PostmanSteps(foreign, values, not_carried)
    scenarios = list(_scenarios(mine, steps, not_carried))
    told = left_out_notes(left)
    if not scenarios:
        raise SourceError(f"{source}: no request can be used: {not_carried.reasons(*told)}")
    headers, scenarios = with_common_headers(scenarios)
    taken = sum(len(one.steps) for one in scenarios)
    load = users(scenarios, slos=limits_of(scenarios, not_carried))
    http: Json = {"cookies": True, **({"headers": headers} if headers else {})}
    return Draft(
        name=name,
        url=target,
        scenarios=tuple(scenarios),
        load=load,
        http=http,
        variables=foreign.variables.values,
        feeds=foreign.feeds,
        notes=(
            f"From {one_line(source, 80)}: {taken} of {counted(len(found))}.",
            *told,
            *not_carried.notes(),
        ),
        target_notes=target_notes,
        data_notes=foreign.notes,
        scenario_notes=("In the order of the collection, as its runner sends them.",),
    )


def _reserve(found: Sequence[PostmanRequest], foreign: ForeignValues) -> None:
    """The names of values that scripts extract, which variables must not have."""
    for script in dict.fromkeys(script for one in found for script in one.scripts):
        if script.listen == "test":
            for name in effects_of(script.text).extract:
                foreign.extracted(name)


def _placed(
    found: Sequence[PostmanRequest],
    values: PostmanValues,
    left: Counter[str],
    not_carried: NotCarried,
    *,
    writes: bool,
) -> Iterator[_Placed]:
    for one in found:
        shown = f'request "{one_line(one.name, 60)}"'
        method = text_of(one.request.get("method") or "GET").upper()
        if not (writes or is_read(method)):
            left[CHANGES_DATA] += 1
            continue
        address = address_of(one.request.get("url"), values)
        if address is None:
            not_carried.add(f"{shown}: it has no HTTP URL", one.line)
        else:
            yield _Placed(one, address)


def _scenarios(
    mine: Sequence[_Placed], steps: PostmanSteps, not_carried: NotCarried
) -> Iterator[ScenarioDraft]:
    """One journey; if the collection is too long for that, one for each folder."""
    groups: dict[str, list[_Placed]] = {}
    for one in mine:
        group = "journey" if len(mine) <= MAX_STEPS else one.request.folder or "requests"
        groups.setdefault(group, []).append(one)
    for number, (group, placed) in enumerate(groups.items()):
        if number == MAX_SCENARIOS:
            first = one_line(group, 60)
            what = f"more than {MAX_SCENARIOS} scenarios, the limit of a test, from {first}"
            not_carried.add(what, placed[0].request.line)
            return
        name = steps.scenario(group)
        made: list[StepDraft] = []
        for one in placed:
            if len(made) == MAX_STEPS:
                where = one_line(group, 60)
                what = f"more than {MAX_STEPS} steps, the limit of a scenario, in {where}"
                not_carried.add(what, one.request.line)
                continue
            try:
                made.append(steps.step(one.request, one.address))
            except NoStepError as reason:
                not_carried.add(str(reason), one.request.line)
        if made:
            yield ScenarioDraft(name, tuple(made))
