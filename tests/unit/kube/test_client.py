"""The API server as this operator speaks to it, against a server that answers by rote."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client

from perfrun.controller.lead.leadership import NotLeadingError
from perfrun.kube import client as kube
from perfrun.kube.client import Kube
from perfrun.kube.errors import (
    AlreadyExistsError,
    AwayError,
    ConflictError,
    GoneError,
    KubeError,
    NotFoundError,
    RefusedError,
    TerminatingError,
    TooLargeError,
    UnknownKindError,
)
from perfrun.kube.resources import CONFIG_MAPS, PERF_RUNS, PERF_TESTS, TOKEN_REVIEWS

Json = dict[str, Any]


@dataclass
class Rote:
    """Answers in their order, and the requests that they answered."""

    kube: Kube
    answers: list[tuple[int, Any]] = field(default_factory=list)
    requests: list[tuple[str, str, str, Json | None]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        kind = request.headers.get("Content-Type", "")
        self.requests.append((request.method, str(request.rel_url), kind, body))
        status, answer = self.answers.pop(0)
        if isinstance(answer, str):
            return web.Response(status=status, text=answer)
        return web.json_response(answer, status=status)


@pytest.fixture
async def rote() -> AsyncIterator[Rote]:
    configuration = client.Configuration()
    api = client.ApiClient(configuration)
    rote = Rote(Kube(api))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", rote.answer)
    async with TestServer(app) as server:
        configuration.host = f"http://127.0.0.1:{server.port}"
        yield rote
        await rote.kube.close()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PERF_RUNS.path("team"), "/apis/perfrun.dev/v1alpha1/namespaces/team/perfruns"),
        (PERF_RUNS.path(None), "/apis/perfrun.dev/v1alpha1/perfruns"),
        (PERF_RUNS.path("team", "a", "status"),
         "/apis/perfrun.dev/v1alpha1/namespaces/team/perfruns/a/status"),
        (CONFIG_MAPS.path("team", "a"), "/api/v1/namespaces/team/configmaps/a"),
        (CONFIG_MAPS.path("team", "a?b"), "/api/v1/namespaces/team/configmaps/a%3Fb"),
        (TOKEN_REVIEWS.path(None), "/apis/authentication.k8s.io/v1/tokenreviews"),
    ],
)  # fmt: skip
def test_path(path: str, expected: str) -> None:
    assert path == expected


@pytest.mark.parametrize("name", ["prun", "run", "perfrun", "perfruns", "perfruns.perfrun.dev"])
def test_names_by_which_users_call_a_kind(name: str) -> None:
    assert PERF_RUNS.is_called(name)
    assert not PERF_TESTS.is_called(name)


@pytest.mark.parametrize("name", ["../x", "10/s", "a%2Fb", ".", "..", ""])
def test_name_that_no_object_can_have_is_not_asked_for(name: str) -> None:
    for where in (("team", name), (name, "a")):
        with pytest.raises(NotFoundError, match="is not a valid name of an object"):
            CONFIG_MAPS.path(*where)


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (404, "NotFound", NotFoundError),
        (409, "AlreadyExists", AlreadyExistsError),
        (409, "Conflict", ConflictError),
        (400, "BadRequest", RefusedError),
        (403, "Forbidden", RefusedError),
        (413, "RequestEntityTooLarge", RefusedError),
        (422, "Invalid", RefusedError),
        (401, "Unauthorized", KubeError),
        (410, "Expired", GoneError),
        (429, "TooManyRequests", AwayError),
        (500, "InternalError", AwayError),
        (503, "ServiceUnavailable", AwayError),
    ],
)
async def test_refusal_is_an_error_of_its_kind_in_the_servers_words(
    rote: Rote, status: int, reason: str, kind: type[KubeError]
) -> None:
    rote.answers = [(status, {"kind": "Status", "message": "in its words", "reason": reason})]
    with pytest.raises(KubeError, match="in its words") as caught:
        await rote.kube.create(CONFIG_MAPS, "team", {})
    assert type(caught.value) is kind
    assert caught.value.status == status


async def test_kind_that_is_not_served_is_told_from_an_object_that_is_not_there(
    rote: Rote,
) -> None:
    missing = {"kind": "Status", "message": "the server could not find it", "reason": "NotFound"}
    rote.answers = [(404, "404 page not found\n"), (404, missing), (404, missing)]
    for ask, kind in (
        (rote.kube.get(PERF_RUNS, "team", "a"), UnknownKindError),
        (rote.kube.list(PERF_RUNS, "team"), UnknownKindError),
        (rote.kube.get(PERF_RUNS, "team", "a"), NotFoundError),
    ):
        with pytest.raises(NotFoundError) as caught:
            await ask
        assert type(caught.value) is kind


@pytest.mark.parametrize("body", ["<html>log in first</html>", "[]"])
async def test_success_that_is_no_object_is_an_error(rote: Rote, body: str) -> None:
    rote.answers = [(200, body)]
    with pytest.raises(KubeError, match="does not answer with JSON: is it an API server"):
        await rote.kube.get(CONFIG_MAPS, "team", "a")


@pytest.mark.parametrize(
    ("key", "token"),
    [("bearer of-a-pod\n", "of-a-pod"), ("Bearer of-a-user", "of-a-user"), ("Basic dTpw", "")],
)
async def test_own_token_is_known_as_the_library_writes_it_for_pods_and_users(
    key: str, token: str
) -> None:
    configuration = client.Configuration()
    configuration.api_key["BearerToken"] = key
    kube = Kube(client.ApiClient(configuration))
    assert await kube.own_token() == token
    await kube.close()


async def test_answer_that_is_no_json_is_an_error_with_its_status(rote: Rote) -> None:
    rote.answers = [(502, "<html>bad gateway</html>")]
    with pytest.raises(KubeError, match="the API server answered 502"):
        await rote.kube.get(CONFIG_MAPS, "team", "a")


async def test_server_that_is_not_there_is_an_error_of_ours() -> None:
    configuration = client.Configuration()
    configuration.host = "http://127.0.0.1:1"
    kube = Kube(client.ApiClient(configuration))
    with pytest.raises(KubeError, match="does not answer"):
        await kube.get(CONFIG_MAPS, "team", "a")
    await kube.close()


async def test_what_is_not_there_is_none_to_find(rote: Rote) -> None:
    rote.answers = [(404, {"reason": "NotFound"}), (200, {"kind": "ConfigMap"})]
    assert await rote.kube.find(CONFIG_MAPS, "team", "a") is None
    assert await rote.kube.find(CONFIG_MAPS, "team", "a") == {"kind": "ConfigMap"}


async def test_list_goes_through_all_pages(rote: Rote) -> None:
    rote.answers = [
        (200, {"metadata": {"continue": "more=&"}, "items": [{"a": 1}]}),
        (200, {"metadata": {}, "items": [{"a": 2}]}),
    ]
    assert await rote.kube.list(CONFIG_MAPS, "team", labels="x=y") == [{"a": 1}, {"a": 2}]
    first, second = (url for _, url, _, _ in rote.requests)
    assert first == "/api/v1/namespaces/team/configmaps?limit=500&labelSelector=x%3Dy"
    assert second.startswith(first + "&continue=more")


async def test_page_that_is_too_large_is_asked_for_again_with_fewer_objects(
    rote: Rote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube, "MAX_ANSWER", 1000)
    large = (200, {"metadata": {}, "items": [{"a": "x" * 2000}]})
    rote.answers = [
        (200, {"metadata": {"continue": "c"}, "items": [{"a": 1}]}),
        large,
        large,
        (200, {"metadata": {"continue": "d"}, "items": [{"a": 2}]}),
        (200, {"metadata": {}, "items": [{"a": 3}]}),
    ]
    assert await rote.kube.list(CONFIG_MAPS, "team") == [{"a": 1}, {"a": 2}, {"a": 3}]
    asked = [url.partition("?")[2] for _, url, _, _ in rote.requests]
    assert asked == [
        "limit=500",
        "limit=500&continue=c",
        "limit=100&continue=c",
        "limit=20&continue=c",
        "limit=20&continue=d",
    ]


async def test_object_that_alone_is_too_large_is_not_read(
    rote: Rote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kube, "MAX_ANSWER", 1000)
    rote.answers = [(200, {"items": [{"a": "x" * 2000}]})] * 5
    with pytest.raises(TooLargeError, match="larger than 0 MiB"):
        await rote.kube.list(CONFIG_MAPS, "team")
    assert rote.answers == []


async def test_empty_list_may_come_as_null(rote: Rote) -> None:
    rote.answers = [(200, {"items": None})]
    assert await rote.kube.list(CONFIG_MAPS) == []


async def test_patch_is_a_merge_patch_and_create_names_its_kind(rote: Rote) -> None:
    rote.answers = [(200, {}), (201, {})]
    await rote.kube.patch(PERF_RUNS, "team", "a", {"status": {}}, sub="status")
    await rote.kube.create(PERF_RUNS, "team", {"spec": {}})
    (method, url, kind, _), (_, _, _, created) = rote.requests
    assert (method, kind) == ("PATCH", "application/merge-patch+json")
    path, _, query = url.partition("?")
    assert path.endswith("/perfruns/a/status")
    # Who wrote it, and that nothing unknown is dropped without a word.
    assert query == "fieldManager=perfrun&fieldValidation=Strict"
    assert created == {"apiVersion": "perfrun.dev/v1alpha1", "kind": "PerfRun", "spec": {}}


async def test_delete_says_which_one_and_whether_there_was_one(rote: Rote) -> None:
    rote.answers = [(200, {}), (404, {}), (409, {"reason": "Conflict"})]
    assert await rote.kube.delete(CONFIG_MAPS, "team", "a", uid="u") is True
    assert await rote.kube.delete(CONFIG_MAPS, "team", "a", uid="u") is False
    assert await rote.kube.delete(CONFIG_MAPS, "team", "a", uid="u") is False  # another one by now
    assert rote.requests[0][3] == {
        "propagationPolicy": "Background", "preconditions": {"uid": "u"},
    }  # fmt: skip


async def test_namespace_that_goes_away_is_an_error_of_its_own(rote: Rote) -> None:
    causes = [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]
    rote.answers = [(403, {"reason": "Forbidden", "message": "m", "details": {"causes": causes}})]
    with pytest.raises(TerminatingError):
        await rote.kube.create(CONFIG_MAPS, "team", {})


async def test_behind_a_fence_one_reads_but_does_not_write(rote: Rote) -> None:
    def nobody_leads() -> float:
        raise NotLeadingError(0, "this operator does not hold Lease perfrun")

    fenced = rote.kube.fenced(nobody_leads)
    rote.answers = [(200, {"kind": "ConfigMap"})]
    assert await fenced.get(CONFIG_MAPS, "team", "a") == {"kind": "ConfigMap"}
    for write in (
        fenced.create(CONFIG_MAPS, "team", {}),
        fenced.patch(PERF_RUNS, "team", "a", {}),
        fenced.delete(CONFIG_MAPS, "team", "a", uid="u"),
    ):
        with pytest.raises(NotLeadingError):
            await write
    assert [method for method, _, _, _ in rote.requests] == ["GET"]


async def test_a_write_takes_no_longer_than_the_lease_lasts() -> None:
    asked = asyncio.Event()

    async def never(_: web.Request) -> web.Response:
        await asked.wait()
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", never)
    async with TestServer(app) as server:
        configuration = client.Configuration()
        configuration.host = f"http://127.0.0.1:{server.port}"
        kube = Kube(client.ApiClient(configuration)).fenced(lambda: 0.05)
        with pytest.raises(KubeError, match="does not answer"):
            await kube.create(CONFIG_MAPS, "team", {})
        asked.set()
        await kube.close()
