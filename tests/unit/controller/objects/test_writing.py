"""What is written over what: an object of the run's own that was just read, and nothing else."""

import base64
import hashlib

import pytest

from perfrun.api import Json
from perfrun.controller.objects import writing
from perfrun.controller.objects.manifests import report_config_maps
from perfrun.controller.objects.writing import (
    create_once,
    delete_owned,
    find_or_create,
    store_config_map,
    store_report,
)
from perfrun.coordinator.errors import Conflict
from perfrun.kube.errors import ConflictError
from perfrun.kube.resources import CONFIG_MAPS
from tests.unit.controller import build
from tests.unit.controller.fake_kube import FakeKube

UID = "uid-run"
PLAN = build.plan_of(build.perf_test(), UID)
LARGE = 1_000_000


def report(of: bytes, size: int = 10) -> list[Json]:
    """The ConfigMaps of a report; one of a million bytes has two pieces."""
    return report_config_maps(build.KEY, PLAN, 0, of * size)


def stored(kube: FakeKube) -> dict[str, bytes]:
    """What the pieces hold, by the end of their names."""
    return {
        body["metadata"]["name"].rpartition("-")[2]: base64.b64decode(
            body["binaryData"]["report.json.gz"]
        )
        for body in kube.all(CONFIG_MAPS)
    }


async def test_report_that_comes_again_is_written_once() -> None:
    kube = FakeKube()
    for _ in range(3):
        await store_report(kube, report(b"a", LARGE), UID)  # type: ignore[arg-type]
    assert b"".join(piece for _, piece in sorted(stored(kube).items())) == b"a" * LARGE
    assert kube.asked["patch", "configmaps"] == 0


@pytest.mark.parametrize("sizes", [(10, 10), (LARGE, 10), (10, LARGE), (LARGE, LARGE)])
async def test_another_report_of_the_worker_changes_nothing_that_is_stored(
    sizes: tuple[int, int],
) -> None:
    kube = FakeKube()
    await store_report(kube, report(b"a", sizes[0]), UID)  # type: ignore[arg-type]
    before = stored(kube)
    with pytest.raises(Conflict, match="a different report of this worker"):
        await store_report(kube, report(b"b", sizes[1]), UID)  # type: ignore[arg-type]
    assert {name: stored(kube)[name] for name in before} == before


async def test_pieces_of_a_report_that_never_became_whole_are_written_over() -> None:
    kube = FakeKube()
    await kube.create(CONFIG_MAPS, "team", report(b"a", LARGE)[1])
    await store_report(kube, report(b"b", LARGE), UID)  # type: ignore[arg-type]
    assert set(stored(kube)["0"] + stored(kube)["1"]) == set(b"b")
    digest = hashlib.sha256(b"b" * LARGE).hexdigest()
    assert {
        body["metadata"]["annotations"]["perfrun.dev/sha256"] for body in kube.all(CONFIG_MAPS)
    } == {digest}


async def test_what_is_changed_meanwhile_is_not_written_over() -> None:
    kube, (body,) = FakeKube(), report(b"a")
    await kube.create(CONFIG_MAPS, "team", body)
    read = kube.get

    async def changed_after(*args: str) -> Json:
        found = await read(*args)  # type: ignore[arg-type]
        kube.put(CONFIG_MAPS, kube.all(CONFIG_MAPS)[0])
        return found

    kube.get = changed_after  # type: ignore[method-assign, assignment]
    with pytest.raises(ConflictError, match="modified"):
        await store_config_map(kube, report(b"b")[0], UID)  # type: ignore[arg-type]
    assert stored(kube) == {"0": b"a" * 10}


async def test_what_belongs_to_somebody_else_is_left_alone_and_named() -> None:
    kube = FakeKube()
    (body,) = report(b"a")
    name = body["metadata"]["name"]
    kube.put(CONFIG_MAPS, {"metadata": {"name": name, "namespace": "team"}})
    for write in (
        create_once(kube, CONFIG_MAPS, body, UID),  # type: ignore[arg-type]
        find_or_create(kube, CONFIG_MAPS, body, UID),  # type: ignore[arg-type]
        store_config_map(kube, body, UID),  # type: ignore[arg-type]
        store_report(kube, [body], UID),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConflictError, match=f"{name} already exists"):
            await write
    assert "binaryData" not in kube.all(CONFIG_MAPS)[0]


async def test_of_what_an_owner_has_only_so_much_is_deleted_and_nothing_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kube = FakeKube()
    for number, owner in enumerate([UID, "uid-other", UID, UID, UID]):
        body = {"metadata": {"name": f"a-{number}", "namespace": "team", "labels": {"a": "b"},
                             "ownerReferences": [{"uid": owner}]}}  # fmt: skip
        kube.put(CONFIG_MAPS, body)
    monkeypatch.setattr(writing, "MAX_DELETED", 2)
    await delete_owned(kube, CONFIG_MAPS, "team", "a=b", UID, but={"a-0"})  # type: ignore[arg-type]
    assert [one["metadata"]["name"] for one in kube.all(CONFIG_MAPS)] == ["a-0", "a-1", "a-4"]


async def test_what_was_created_before_a_kill_is_as_good() -> None:
    kube = FakeKube()
    for _ in range(2):
        await create_once(kube, CONFIG_MAPS, report(b"a")[0], UID)  # type: ignore[arg-type]
    assert kube.asked["patch", "configmaps"] == 0


async def test_what_is_often_there_is_read_once_and_written_once() -> None:
    kube = FakeKube()
    for _ in range(3):
        await find_or_create(kube, CONFIG_MAPS, report(b"a")[0], UID)  # type: ignore[arg-type]
    assert (kube.asked["get", "configmaps"], kube.asked["create", "configmaps"]) == (3, 1)
    assert stored(kube) == {"0": b"a" * 10}
