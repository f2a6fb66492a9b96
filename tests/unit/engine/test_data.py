"""Feeds and extractions: what a request takes from a file, or from a response before it."""

import json
import re
from time import monotonic_ns

import pytest

from perfrun.engine.data.rows import Rows, Use
from perfrun.engine.data.tables import Table
from perfrun.engine.data.template import Compiler
from perfrun.engine.errors import DataError
from perfrun.engine.response.extract import Answer, finder
from perfrun.engine.run import Engine
from perfrun.measure.plan import RunPlan
from perfrun.reach.values import Values

from .conftest import Run
from .server import answer, burst, plan, running, step

USERS = "id,name\n1,Ada\n2,Alan\n3,Grace\n"


class Files(Values):
    """ConfigMaps by key."""

    def __init__(self, **texts: str) -> None:
        self._texts = texts

    def config_map(self, name: str, key: str, field: str) -> str:
        return self._texts[key]


def fed(made: RunPlan, order: str) -> RunPlan:
    """A plan with the feed ``users``."""
    feed = {
        "name": "users",
        "csv_from": {"config_map_key_ref": {"name": "data", "key": "users"}},
        "order": order,
    }
    return RunPlan.model_validate({**made.model_dump(), "feeds": [feed]})


@pytest.mark.parametrize(
    ("order", "sent"),
    [
        ("Sequential", ["1-Ada", "2-Alan", "3-Grace", "1-Ada", "2-Alan"]),
        ("Unique", ["1-Ada", "2-Alan", "3-Grace"]),
    ],
)
async def test_each_iteration_has_a_row(run: Run, order: str, sent: list[str]) -> None:
    async with running() as server:
        asked = plan(server.url, burst(5), step("/$(users.id)-$(users.name)"))
        report = await run(fed(asked, order), Files(users=USERS))
    assert [seen.path[1:] for seen in server.log] == sent
    (got,) = report.window.steps
    left = 5 - len(sent)
    assert got.errors == ({"Data": left} if left else {})
    assert (got.sent, got.attempts) == (5, len(sent))


def weighted(made: RunPlan, *scenarios: tuple[str, int], workers: int = 1) -> RunPlan:
    """A plan of scenarios with a step each, on a path of their name and their row's id."""
    written = [
        {"name": name, "weight": weight, "steps": [step(f"/{name}/$(users.id)", name)]}
        for name, weight in scenarios
    ]
    whole = made.model_dump()
    load = {**whole["load"], "workers": workers}
    return RunPlan.model_validate({**whole, "scenarios": written, "load": load})


TEN = "id\n" + "".join(f"{row}\n" for row in range(10))


@pytest.mark.parametrize(("often", "rows"), [(4, 10), (3, 4), (9, 5)])
async def test_a_sequential_feed_gives_each_scenario_all_of_its_rows(
    run: Run, often: int, rows: int
) -> None:
    users = "id\n" + "".join(f"{row}\n" for row in range(rows))
    requests = (often + 1) * rows * 2
    async with running() as server:
        asked = fed(plan(server.url, burst(requests)), "Sequential")
        await run(weighted(asked, ("browse", often), ("buy", 1)), Files(users=users))
    assert server.paths == {
        f"/{name}/{row}": 2 * share
        for name, share in (("browse", often), ("buy", 1))
        for row in range(rows)
    }


@pytest.mark.parametrize("order", ["Sequential", "Unique"])
async def test_two_workers_both_run_both_scenarios_with_rows_of_their_own(
    run: Run, order: str
) -> None:
    asked: dict[int, set[str]] = {}
    for index in range(2):
        async with running() as server:
            made = fed(plan(server.url, burst(20, 2)), order)
            both = weighted(made, ("browse", 1), ("buy", 1), workers=2)
            report = await run(both, Files(users=TEN.replace("id\n", "id\n10\n11\n12\n")), index)
        asked[index] = set(server.paths)
        assert [one.started for one in report.window.scenarios] == [5, 5]
    assert not asked[0] & asked[1]


def test_batches_of_different_sizes_share_no_unique_row() -> None:
    ids = Table("id\n" + "".join(f"{row}\n" for row in range(100)), "here")
    rows = Rows("ids", ids, "Unique", 1, Use(largest_batch=20))
    given: dict[int, list[int]] = {}
    for batch in (1, 5, 20):
        rows.batch = batch
        cell = rows.column("id", "here")
        given[batch] = [int(cell(number, {})) for number in range(3 * batch, 4 * batch)]
    # All of the third iteration, whatever its step: no other one has any of these.
    assert given == {1: [60], 5: [60, 61, 62, 63, 64], 20: list(range(60, 80))}


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("$(users.name)", True),
        ({"a": [1, {"b": "x $(users.name)"}]}, True),
        ({"$(users.name)": "a key is no template"}, False),
        (["$(open.name)", "$(host)", "users.name"], False),
        ("$(users.id)", False),
    ],
)
def test_a_template_knows_whether_it_has_values_of_a_secret(value: object, secret: bool) -> None:
    rows = Table(USERS, "here")
    users = Rows("users", rows, "Sequential", 1, Use(), secret=True)
    compiler = Compiler(
        1, {"host": "shop"}, {"users": users, "open": Rows("open", rows, "Sequential", 1, Use())}
    )
    compiler.extracted = frozenset({"users.id"})
    assert compiler.json(value, "here").secret == secret
    if isinstance(value, str):
        assert compiler.text(value, "here").secret == secret
        assert compiler.line(value, "here").secret == secret


async def test_random_rows_are_whole_and_repeatable(run: Run) -> None:
    seen = []
    for _ in range(2):
        async with running() as server:
            asked = plan(server.url, burst(40), step("/$(users.id)-$(users.name)"))
            await run(fed(asked, "Random"), Files(users=USERS))
        seen.append([entry.path[1:] for entry in server.log])
    assert seen[0] == seen[1]
    assert set(seen[0]) == {"1-Ada", "2-Alan", "3-Grace"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must have a header line"),
        ("id\n", "at least one row"),
        ("id,name\n1\n", "line 2 has 1 cells, the header 2"),
        ("id,id\n1,2\n", "different names"),
        ('id\n"1\n', "not CSV"),
        ("id\n1\n", "has no column name; it has: id"),
    ],
)
async def test_a_feed_that_cannot_be_used_is_named(run: Run, text: str, said: str) -> None:
    asked = plan("http://127.0.0.1:1", burst(1), step("/$(users.name)"))
    with pytest.raises(DataError, match=re.escape(said)):
        await run(fed(asked, "Sequential"), Files(users=text))


LINES = (
    '{"id": 1, "user": {"name": "Ada", "tags": ["a", "b"]}}\n'
    "\n"
    '{"user": {"name": "Al\u2028an", "tags": []}, "id": 2.50}\r\n'
    '{"id": null, "user": {"name": true, "tags": {"x": "ü"}}}'
)


def fed_lines(made: RunPlan) -> RunPlan:
    """A plan with the feed ``users`` of JSON Lines."""
    source = {"config_map_key_ref": {"name": "data", "key": "users"}}
    feed = {"name": "users", "jsonl_from": source}
    return RunPlan.model_validate({**made.model_dump(), "feeds": [feed]})


async def test_objects_of_json_lines_are_rows(run: Run) -> None:
    async with running() as server:
        body = "$(users.id)|$(users.user.name)|$(users.user.tags)|$(users.user)"
        asked = plan(server.url, burst(4), step("/", method="POST", body=body))
        report = await run(fed_lines(asked), Files(users="\ufeff" + LINES))
    first = '1|Ada|["a","b"]|{"name":"Ada","tags":["a","b"]}'
    assert [seen.body.decode() for seen in server.log] == [
        first,
        '2.5|Al\u2028an|[]|{"name":"Al\u2028an","tags":[]}',
        'null|true|{"x":"ü"}|{"name":true,"tags":{"x":"ü"}}',
        first,
    ]
    assert report.window.steps[0].succeeded == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n \n", "must have at least one line with an object"),
        ('{"name": 1}\n\n{"id": 1, "name": 1}', "line 3 has the key id, but line 1 does not"),
        ('{"id": 1, "name": 1}\n{"name": 1}', "line 1 has the key id, but line 2 does not"),
        ('{"name": {"first": 1}}\n[1]', "line 2 is not an object"),
        (
            '{"name": 1}\n{"name": SECRET}',
            "line 2 is not JSON: a value is expected here (character 10)",
        ),
        ('{"name": 1, "name": 2}', "line 1 is not JSON: the key name appears twice"),
        ('{"name": NaN}', "line 1 is not JSON: NaN is not a JSON number"),
        ('{"name": "\\ud800"}', "line 1 is not JSON: it contains a lone surrogate"),
        ('{"name": ' + "[" * 100_000, "line 1 is not JSON: it is nested too deeply"),
        ('{"id": 1}', "the feed users has no name in line 1; it has: id"),
        ("x" * (1024 * 1024 + 1), "more than 1048576 characters"),
        ("{}\n" * 100_001, "more than 100000 rows"),
    ],
)
async def test_lines_that_cannot_be_used_are_named(run: Run, text: str, said: str) -> None:
    asked = plan("http://127.0.0.1:1", burst(1), step("/$(users.name)"))
    with pytest.raises(DataError, match=re.escape(said)) as raised:
        await run(fed_lines(asked), Files(users=text))
    assert "spec." in str(raised.value)
    assert "SECRET" not in str(raised.value)


async def test_a_path_that_some_line_does_not_have_is_named(run: Run) -> None:
    asked = plan("http://127.0.0.1:1", burst(1), step("/$(users.user.name.first)"))
    text = '{"user": {"name": {"first": 1}}}\n{"user": {"name": "Ada"}}'
    said = "the feed users has no user.name.first in line 2"
    with pytest.raises(DataError, match=re.escape(said)):
        await run(fed_lines(asked), Files(users=text))


GENERATED = {
    "name": "items",
    "order": "Unique",
    "generate": {
        "rows": 3,
        "columns": {"id": "$(uuid())", "other": "$(uuid())", "no": "$(zone)-$(seq(10))"},
    },
}


def generating(made: RunPlan, **update: object) -> RunPlan:
    """A plan with the feed ``items``, which is generated."""
    more = {"variables": {"zone": "eu"}, "feeds": [GENERATED], **update}
    return RunPlan.model_validate({**made.model_dump(), **more})


async def test_generated_rows_are_the_same_in_every_step_and_run(run: Run) -> None:
    bodies = []
    for _ in range(2):
        async with running() as server:
            text = "$(items.id) $(items.other) $(items.no)"
            write = step("/write", "write", method="POST", body=text)
            read = step("/read", "read", method="POST", body=text)
            report = await run(generating(plan(server.url, burst(4), write, read)))
        bodies.append([seen.body.decode() for seen in server.log])
        assert report.window.steps[0].errors == {"Data": 1}
    assert bodies[0] == bodies[1]
    written, read_back = bodies[0][::2], bodies[0][1::2]
    assert written == read_back
    ids, others, numbers = zip(*(line.split() for line in written), strict=True)
    assert len({*ids, *others}) == 6
    assert numbers == ("eu-10", "eu-11", "eu-12")


async def test_generated_rows_are_the_same_around_the_load(run: Run) -> None:
    async with running() as server:
        asked = plan(server.url, burst(1), step("/$(items.id)"))
        around = [step("/$(items.id)", name) for name in ("first", "last")]
        made = generating(asked, setup=around[:1], teardown=around[1:])
        engine = Engine(made, 0, Values())
        engine.use(await engine.setup())
        await engine.run(monotonic_ns())
    assert len(server.log) == 3
    assert len({seen.path for seen in server.log}) == 1


async def test_another_run_has_other_generated_rows(run: Run) -> None:
    async with running() as server:
        for uid in ("one", "two"):
            asked = plan(server.url, burst(1), step("/$(items.id)"))
            await run(generating(asked, uid=uid))
    assert len({seen.path for seen in server.log}) == 2


async def test_cells_travel_safely_in_every_place(run: Run) -> None:
    evil = 'a"b\\c\r\nX-Evil: 1 ü'
    async with running() as server:
        asked = plan(
            server.url,
            burst(1),
            step(
                "/x?q=$(users.v)",
                method="POST",
                json={"v": "<$(users.v)>"},
                headers=[{"name": "X-V", "value": "$(users.v)"}],
            ),
        )
        report = await run(
            fed(asked, "Sequential"), Files(users='v\n"' + evil.replace('"', '""') + '"\n')
        )
    assert report.window.steps[0].succeeded == 1
    (seen,) = server.log
    assert json.loads(seen.body) == {"v": f"<{evil}>"}
    assert "x-evil" not in seen.headers
    assert "\n" not in seen.headers["x-v"]


@pytest.mark.parametrize(
    ("extraction", "value"),
    [
        ({"json": "$.order.id"}, "77"),
        ({"json": "$.items[1].name"}, "b"),
        ({"json": "$.items[*].name"}, "a"),
        ({"json": "$.order"}, "%7B%22id%22:77%7D".replace("%7B", "{").replace("%7D", "}")),
        ({"header": "Location"}, "/orders/77"),
        ({"regex": '"id": ([0-9]+)'}, "77"),
        ({"regex": "items"}, "items"),
    ],
)
async def test_what_a_response_says_is_used_by_later_steps(
    run: Run, extraction: dict[str, str], value: str
) -> None:
    body = b'{"order": {"id": 77}, "items": [{"name": "a"}, {"name": "b"}]}'
    async with running(create=answer(201, body, Location="/orders/77")) as server:
        create = {**step("/create", "create", method="POST"), "extract": {"found": extraction}}
        read = step("/read", "read", body="$(found)", method="POST")
        report = await run(plan(server.url, burst(3), create, read))
    bodies = [seen.body.decode() for seen in server.log if seen.path == "/read"]
    expected = '{"id":77}' if extraction == {"json": "$.order"} else value
    assert bodies == [expected] * 3
    assert report.window.scenarios[0].finished == 3


@pytest.mark.parametrize(
    "extraction", [{"json": "$.none"}, {"header": "X-None"}, {"regex": "none"}, {"json": "$[0]"}]
)
async def test_what_is_not_found_fails_the_step_and_ends_the_iteration(
    run: Run, extraction: dict[str, str]
) -> None:
    async with running(create=answer(201, b'{"id": 1}')) as server:
        create = {**step("/create", "create"), "extract": {"found": extraction}}
        report = await run(plan(server.url, burst(2), create, step("/$(found)", "read")))
    create_step, read_step = report.window.steps
    assert create_step.errors == {"Data": 2}
    assert read_step.sent == 0


async def test_what_one_iteration_extracts_is_not_seen_by_another(run: Run) -> None:
    async with running() as server:
        create = {**step("/$(uuid())", "create"), "extract": {"found": {"regex": "(o)k"}}}
        first = plan(server.url, burst(4, 2), create, step("/$(found)", "read"))
        report = await run(first)
    assert report.window.scenarios[0].finished == 4
    assert server.paths["/o"] == 4


@pytest.mark.parametrize(
    ("path", "document", "found"),
    [
        ("$", {"a": 1}, [{"a": 1}]),
        ("$.a.b[1]", {"a": {"b": [1, 2]}}, [2]),
        ("$.a[0]", {"a": {"0": 1}}, []),
        ("$[1].x", [{}, {"x": None}], [None]),
        ("$.a", [1], []),
        ("$[5]", [1], []),
        ("$..b", {"a": {"b": 1}}, [1]),
    ],
)
def test_a_path_of_names_and_indexes_finds_what_the_standard_says(
    path: str, document: object, found: list[object]
) -> None:
    assert finder(path, "here")(document) == found


def test_a_document_is_read_once() -> None:
    looked_at = Answer(b'{"a": [1]}')
    assert looked_at.json() is looked_at.json()
