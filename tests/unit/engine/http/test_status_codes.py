"""Answers counted by status code, and the first failed request of each."""

import asyncio
import itertools
import json

import pytest

from perfrun.api.quantities import NS_PER_S
from perfrun.launcher.hiding import Hider
from perfrun.measure.wire import MAX_STATUS_CODES
from perfrun.reach import foreign
from tests.unit.engine.conftest import Run
from tests.unit.engine.server import Behaviour, Seen, answer, burst, plan, raw, running, step

ORDER = b'{"state": "old", "items": [{"id": 1}, {"id": 2}], "paid": true, "note": {"a": 1}}'


def in_turn(*statuses: int) -> Behaviour:
    """The behaviour of answering with these statuses, one after the other."""
    following = itertools.cycle(statuses)

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await answer(next(following))(seen, writer)

    return behave


async def test_every_status_code_is_counted_and_the_first_failure_of_each_is_kept(
    run: Run,
) -> None:
    async with running(x=in_turn(200, 404, 429, 200, 404)) as server:
        report = await run(plan(server.url, burst(10), step("/x?page=$(seq())")))
    (got,) = report.window.steps
    assert got.status_codes == {"200": 4, "404": 4, "429": 2}
    assert got.examples == {
        "404": "GET /x?page=2: expected status 2xx or 3xx, got 404",
        "429": "GET /x?page=3: expected status 2xx or 3xx, got 429",
    }


async def test_redirects_and_retries_are_answers_too(run: Run) -> None:
    async with running(x=answer(302, b"", Location="/y"), y=in_turn(503, 200)) as server:
        retries = {"limit": 1, "errors": ["Status5xx"]}
        report = await run(plan(server.url, burst(1), step("/x"), retries=retries))
    (got,) = report.window.steps
    assert (got.succeeded, got.attempts) == (1, 3)
    assert got.status_codes == {"302": 1, "503": 1, "200": 1}


@pytest.mark.parametrize("more", [{}, {"cookies": True}])
@pytest.mark.parametrize(
    ("statuses", "fine"),
    [((200, 201, 200, 404, 201), None), ((404, 200, 404, 500, 503), [404, 200])],
)
async def test_successes_of_several_codes_are_counted_by_code(
    run: Run, more: dict[str, bool], statuses: tuple[int, ...], fine: list[int] | None
) -> None:
    expect = {"expect": {"status": fine}} if fine else {}
    async with running(x=in_turn(*statuses)) as server:
        report = await run(plan(server.url, burst(15), {**step("/x"), **expect}, **more))
    (got,) = report.window.steps
    assert got.status_codes == {str(code): 3 * statuses.count(code) for code in statuses}
    assert got.succeeded == 3 * sum(code in (fine or (200, 201)) for code in statuses)


async def test_of_many_status_codes_the_most_frequent_are_kept(run: Run) -> None:
    statuses = [status for status in range(400, 430) for _ in range(1 + (status >= 410))]
    async with running(x=in_turn(*statuses)) as server:
        report = await run(plan(server.url, burst(len(statuses)), step("/x")))
    (got,) = report.window.steps
    assert len(got.status_codes) == MAX_STATUS_CODES + 1
    assert got.status_codes["Other"] == 10
    assert all(got.status_codes[str(status)] == 2 for status in range(410, 430))
    assert set(got.examples) == {str(status) for status in range(410, 420)}


async def test_what_has_no_answer_has_no_status_code(run: Run) -> None:
    async with running(x=raw(b"", close=True)) as server:
        report = await run(plan(server.url, burst(2), step("/x")))
    (got,) = report.window.steps
    assert (got.errors, got.status_codes, got.examples) == ({"Reset": 2}, {}, {})


async def test_neither_a_secret_nor_what_was_extracted_is_in_an_example(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Hider()
    known.learn("se cret/1")
    monkeypatch.setattr(foreign, "SECRETS", known)
    make = {**step("/new", "make"), "extract": {"token": {"json": "$.token"}}}
    use = step("/use/$(token)?key=se%20cret%2F1&of=$(region)", "use")
    async with running(new=answer(200, b'{"token": "t0p/secret"}')) as server:
        server.behaviours["/use/t0p%2Fsecret"] = server.behaviours["/use/t0p/secret"] = answer(403)
        report = await run(plan(server.url, burst(1), make, use))
    _, got = report.window.steps
    assert got.examples == {
        "403": "GET /use/***?key=***&of=eu: expected status 2xx or 3xx, got 403"
    }


@pytest.mark.parametrize("note", ["session {} expired", "of {} " + "and more " * 20])
@pytest.mark.parametrize("length", [8, 70, 300])
async def test_neither_is_in_what_a_failed_check_has_received(
    run: Run, monkeypatch: pytest.MonkeyPatch, note: str, length: int
) -> None:
    secret, extracted = ("s" * 3 + "ecret" * 60)[:length], ("t" * 3 + "oken" * 80)[:length]
    known = Hider()
    known.learn(secret)
    monkeypatch.setattr(foreign, "SECRETS", known)
    make = {**step("/new", "make"), "extract": {"token": {"json": "$.token"}}}
    bodies = {"a": note.format(secret), "b": note.format(extracted)}
    for name, text in bodies.items():
        use = step("/use", "use", expect={"json": {f"$.{name}": "fine"}})
        async with running(
            new=answer(200, json.dumps({"token": extracted}).encode()),
            use=answer(200, json.dumps({name: text}).encode()),
        ) as server:
            report = await run(plan(server.url, burst(1), make, use))
        said = report.window.steps[1].messages["Check"]
        assert "***" in said, said
        assert secret[:8] not in said
        assert extracted[:8] not in said
        assert said in report.window.steps[1].examples["200"]


async def test_an_extracted_value_that_is_no_text_hides_nothing_and_harms_nothing(run: Run) -> None:
    make = {**step("/new", "make"), "extract": {"token": {"json": "$.token"}}}
    async with running(new=answer(200, b'{"token": "a\\ud800bcd"}'), use=answer(500)) as server:
        report = await run(plan(server.url, burst(1), make, step("/use", "use")))
    assert report.window.steps[1].examples == {
        "500": "GET /use: expected status 2xx or 3xx, got 500"
    }


async def test_large_extracted_values_cost_an_example_nothing(run: Run) -> None:
    token = "\n".join(f"{number}-{'x' * 30}" for number in range(250))
    make = {**step("/new", "make"), "extract": {"token": {"json": "$.token"}}}
    async with running(
        new=answer(200, json.dumps({"token": token}).encode()), use=answer(500)
    ) as server:
        report = await run(plan(server.url, burst(1), make, step("/use", "use")))
    assert list(report.window.steps[1].examples) == ["500"]
    assert report.generator.longest_stall < NS_PER_S // 4


@pytest.mark.parametrize("status", ["099", "000", "100"])
async def test_an_answer_without_a_final_status_is_none(run: Run, status: str) -> None:
    text = f"HTTP/1.1 {status} X\r\n\r\n".encode()
    async with running(x=raw(text, close=True)) as server:
        report = await run(plan(server.url, burst(2), step("/x")))
    (got,) = report.window.steps
    assert (got.sent, got.failed, got.status_codes) == (2, 2, {})
    assert set(got.errors) <= {"Protocol", "Reset"}


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ({"status": [201]}, "expected status 201, got 200"),
        ({"status": [204, 201]}, "expected status 201 or 204, got 200"),
        ({"json": {"$.state": "new"}}, 'expected $.state to be "new", got "old"'),
        ({"json": {"$.no": 1}}, "expected $.no to be 1, but the body has no such value"),
        ({"json": {"$.paid": 1}}, "expected $.paid to be 1, got true"),
        ({"json": {"$.items[*].id": 1}}, "expected $.items[*].id to be 1, got 2"),
        ({"json": {"$.items": []}}, "expected $.items to be [], got a list of 2 items"),
        ({"json": {"$.note": None}}, "expected $.note to be null, got an object of 1 field"),
        (
            {"json": {"$.state": "x" * 80}},
            f'expected $.state to be "{"x" * 56}..., got "old"',
        ),
        ({"maxBytes": 9}, "expected a body of at most 9 bytes, got more: see expect.maxBytes"),
    ],
)
async def test_a_failed_check_says_what_was_expected_and_what_came(
    run: Run, expect: dict[str, object], said: str
) -> None:
    async with running(x=answer(200, ORDER)) as server:
        report = await run(plan(server.url, burst(1), step("/x", expect=expect)))
    assert list(report.window.steps[0].messages.values()) == [said]


async def test_a_body_that_is_not_json_is_said(run: Run) -> None:
    async with running(x=answer(200, b"<html>")) as server:
        report = await run(plan(server.url, burst(1), step("/x", expect={"json": {"$.a": 1}})))
    said = "expected JSON, got a body of 6 bytes that is not JSON"
    assert report.window.steps[0].messages == {"Check": said}
    assert report.window.steps[0].examples == {"200": f"GET /x: {said}"}


@pytest.mark.parametrize(
    ("extract", "said"),
    [
        ({"json": "$.id"}, "extract.n: $.id was not found in the response"),
        ({"header": "X-Id"}, "extract.n: the header X-Id was not found in the response"),
        ({"regex": "id=(.*)"}, "extract.n: a match of id=(.*) was not found in the response"),
    ],
)
async def test_what_could_not_be_extracted_is_named(
    run: Run, extract: dict[str, str], said: str
) -> None:
    async with running(x=answer(200, b"{}")) as server:
        report = await run(plan(server.url, burst(1), {**step("/x"), "extract": {"n": extract}}))
    assert report.window.steps[0].messages == {"Data": said}
