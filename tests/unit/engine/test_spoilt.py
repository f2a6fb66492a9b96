"""Data that cannot be sent or looked at: a failure at once, of that request and of no other."""

from typing import Any

import pytest

from perfrun.measure.plan import RunPlan

from .conftest import Run
from .server import answer, burst, plan, running, step
from .server2 import running2, say

HALF = b'{"title": "\\ud83d", "id": 1}'
DEEP = b'{"a":' * 400 + b'{"id": 1}' + b"}" * 400
TOO_DEEP = b"[" * 20_000 + b"1" + b"]" * 20_000
TITLE = {"extract": {"title": {"json": "$.title"}}}


@pytest.mark.parametrize(
    "use",
    [
        pytest.param({"method": "POST", "body": "$(title)"}, id="body"),
        pytest.param({"headers": [{"name": "X-Title", "value": "$(title)"}]}, id="header"),
        pytest.param({"path": "/use?q=$(title)"}, id="path"),
    ],
)
@pytest.mark.parametrize("cookies", [False, True])
async def test_half_of_a_character_is_an_error_of_the_data_at_once(
    run: Run, use: dict[str, Any], cookies: bool
) -> None:
    async with running(doc=answer(200, HALF)) as server:
        asked = plan(
            server.url,
            burst(6, 2),
            {**step("/doc", "doc"), **TITLE},
            step(**{"path": "/use", "name": "use", **use}),
            timeout="60s",
            cookies=cookies,
        )
        report = await run(asked)  # has 20 s
    doc, used = report.window.steps
    assert (doc.succeeded, used.sent, used.attempts, used.errors) == (6, 6, 0, {"Data": 6})
    assert "lone surrogate" in used.messages["Data"]
    assert server.paths["/use"] == 0


async def test_half_of_a_character_is_sent_where_json_can_write_it(run: Run) -> None:
    async with running(doc=answer(200, HALF)) as server:
        use = step("/use", "use", method="POST", json={"title": "$(title)"})
        report = await run(plan(server.url, burst(1), {**step("/doc", "doc"), **TITLE}, use))
    assert report.window.steps[1].succeeded == 1
    assert server.log[-1].body == b'{"title":"\\ud83d"}'


@pytest.mark.parametrize(
    ("look", "body", "error"),
    [
        pytest.param({"expect": {"json": {"$..id": 1}}}, DEEP, None, id="deep, checked"),
        pytest.param({"extract": {"id": {"json": "$..id"}}}, DEEP, None, id="deep, extracted"),
        pytest.param({"expect": {"json": {"$..id": 1}}}, TOO_DEEP, "Data", id="too deep, checked"),
        pytest.param({"extract": {"id": {"json": "$..id"}}}, TOO_DEEP, "Data", id="too deep, read"),
    ],
)
async def test_json_nested_deeply_is_read_or_is_an_error_at_once(
    run: Run, look: dict[str, Any], body: bytes, error: str | None
) -> None:
    async with running(doc=answer(200, body)) as server:
        asked = plan(server.url, burst(2), {**step("/doc"), **look}, timeout="60s")
        (got,) = (await run(asked)).window.steps
    assert got.errors == ({error: 2} if error else {})
    assert got.sent == got.attempts == 2


async def test_over_http2_the_others_on_the_connection_go_on(run: Run) -> None:
    async with running2(doc=say(200, HALF)) as server:
        made = plan(
            server.url,
            {"open": {"rate": "100/s", "duration": "1s"}},
            {**step("/doc", "doc"), **TITLE},
            step("/use", "use", method="POST", body="$(title)"),
            protocol="HTTP/2",
        ).model_dump()
        odd = made["scenarios"][0]
        healthy = {"name": "healthy", "weight": 3, "steps": [step("/ok", "ok")]}
        asked = RunPlan.model_validate({**made, "scenarios": [odd, healthy]})
        report = await run(asked)
    doc, used, healthy_step = report.window.steps
    assert used.errors == {"Data": doc.succeeded}
    assert (used.attempts, healthy_step.failed, healthy_step.succeeded) == (0, 0, 75)
    assert len(server.peers) == report.generator.connections
    assert not any(asked.fields[":path"] == "/use" for asked in server.log)
