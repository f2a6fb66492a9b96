"""A token service that repeats what it was sent, in a cluster: nothing of it is in status, Event or
log."""

import json
from pathlib import Path

from tests.integration.controller.real_worker import work
from tests.integration.controller.world import World
from tests.integration.test_echo import CLIENT, SECRET, assert_clean, echo

__all__ = ["echo"]


async def test_echo_of_a_token_service_is_in_no_status_event_or_log(
    world: World, echo: str, tmp_path: Path
) -> None:
    (tmp_path / "values/secrets/client").mkdir(parents=True)
    (tmp_path / "values/secrets/client/secret").write_text(f"{SECRET}\n")
    ref = {"secretKeyRef": {"name": "client", "key": "secret"}}
    oauth2 = {"tokenUrl": f"{echo}/odd", "clientId": CLIENT, "clientSecretFrom": ref}
    before = len(world.operator.log.read_text())
    await world.apply_test(
        load={"workers": 1, "burst": {"requests": 1, "concurrency": 1}},
        target={"http": {"url": f"{echo}/", "auth": {"oauth2": oauth2}}},
    )
    await world.create_run("one")
    said = await work(world, "one", 1, tmp_path)
    status = await world.until_done("one")
    events = await world.until_events("one", "Error")
    log = world.operator.log.read_text()[before:]
    assert "returned no token: HTTP status 401" in status["message"]
    assert any("returned no token: HTTP status 401" in event["note"] for event in events)
    assert "returned no token: HTTP status 401" in log
    assert "returned no token: HTTP status 401" in said
    # What is compared is the text itself, not how JSON escapes it.
    texts = {"status": _texts(status), "events": _texts(events), "log": log, "worker": said}
    assert_clean(texts)
    assert all(len(line.splitlines()) == 1 for line in _texts(status).split("\0"))


def _texts(value: object) -> str:
    """All texts in a document."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        parts = value.values() if isinstance(value, dict) else value
        return "\0".join(filter(None, map(_texts, parts)))
    return json.dumps(value)
