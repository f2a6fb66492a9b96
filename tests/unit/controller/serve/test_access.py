"""Who may read metrics, and how often the API server is asked."""

import base64
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from perfrun.api.quantities import NS_PER_S
from perfrun.controller.serve.access import (
    ALLOWED_FOR,
    ALLOWED_KEPT,
    REFILL,
    REFUSED_FOR,
    REFUSED_KEPT,
    REVIEWS,
    Reviewed,
    StaticToken,
    static_token,
)
from perfrun.kube.errors import KubeError
from perfrun.kube.resources import SECRETS, Resource
from tests.unit.controller.build import Json, settings
from tests.unit.controller.fake_kube import FakeKube

USER = {"username": "prometheus", "uid": "u", "groups": ["g"], "extra": {"k": ["v"]}}


class Reviews:
    """An API server that knows tokens, and who may get /metrics."""

    def __init__(self) -> None:
        self.users: dict[str, Json] = {"good": USER, "poor": {**USER, "username": "poor"}}
        self.allowed = {"prometheus"}
        self.asked: list[Json] = []
        self.away = False

    async def create(self, resource: Resource, namespace: str | None, body: Json) -> Json:
        assert namespace is None
        if self.away:
            raise KubeError(0, "the API server did not answer")
        self.asked.append(body["spec"])
        if resource.kind == "TokenReview":
            user = self.users.get(body["spec"]["token"])
            return {"status": {"authenticated": user is not None, "user": user or {}}}
        assert resource.kind == "SubjectAccessReview"
        return {"status": {"allowed": body["spec"]["user"] in self.allowed}}


class Clock:
    def __init__(self) -> None:
        self.now = 10**15

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def reviews() -> Reviews:
    return Reviews()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reviewed(reviews: Reviews, clock: Clock) -> Reviewed:
    return Reviewed(reviews, clock)  # type: ignore[arg-type]


PLAIN = make_mocked_request("GET", "/metrics")
"""To be copied: a request costs a millisecond to make, and a copy next to nothing."""


async def status(check: Any, header: str | None) -> int:
    headers = {} if header is None else {"Authorization": header}
    answer: web.Response | None = await check(PLAIN.clone(headers=headers))
    return 200 if answer is None else answer.status


async def test_who_may_get_the_url_is_let_in_and_asked_for_as_the_filter_does(
    reviewed: Reviewed, reviews: Reviews
) -> None:
    assert await status(reviewed, "Bearer good") == 200
    review, access = reviews.asked
    assert review == {"token": "good"}
    assert access == {
        "user": "prometheus", "uid": "u", "groups": ["g"], "extra": {"k": ["v"]},
        "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        ("Basic good", 401),
        ("good", 401),
        ("Bearer wrong", 401),
        ("Bearer gööd", 401),
        ("Bearer poor", 403),
        ("bearer good", 200),
    ],
)
async def test_others_are_told_what_is_missing(
    reviewed: Reviewed, header: str | None, code: int
) -> None:
    assert await status(reviewed, header) == code


async def test_without_a_token_nobody_is_asked(reviewed: Reviewed, reviews: Reviews) -> None:
    for _ in range(1000):
        assert await status(reviewed, None) == 401
    assert reviews.asked == []


@pytest.mark.parametrize(
    ("token", "code", "kept"), [("good", 200, ALLOWED_FOR), ("wrong", 401, REFUSED_FOR)]
)
async def test_an_answer_stands_for_a_while_and_is_asked_for_again(
    reviewed: Reviewed, reviews: Reviews, clock: Clock, token: str, code: int, kept: int
) -> None:
    for _ in range(3):
        assert await status(reviewed, f"Bearer {token}") == code
    asked = len(reviews.asked)
    clock.now += kept - 1
    assert await status(reviewed, f"Bearer {token}") == code
    assert len(reviews.asked) == asked
    clock.now += 1
    reviews.users = {"wrong": USER}  # the one is withdrawn, the other one valid now
    assert await status(reviewed, f"Bearer {token}") == {200: 401, 401: 200}[code]


async def test_tokens_without_end_do_not_reach_the_api_server_nor_lock_out_who_was_let_in(
    reviewed: Reviewed, reviews: Reviews, clock: Clock
) -> None:
    assert await status(reviewed, "Bearer good") == 200
    asked = len(reviews.asked)
    codes = [await status(reviewed, f"Bearer made up {number}") for number in range(5000)]
    assert codes == [401] * (REVIEWS - 1) + [503] * (5000 - REVIEWS + 1)
    assert len(reviews.asked) == asked + REVIEWS - 1
    clock.now += ALLOWED_FOR
    for number in range(5000):
        await status(reviewed, f"Bearer made up again {number}")
    assert await status(reviewed, "Bearer good") == 200
    clock.now += REFILL
    assert await status(reviewed, "Bearer one more") == 401


async def test_what_is_remembered_is_bounded(
    reviewed: Reviewed, reviews: Reviews, clock: Clock
) -> None:
    for number in range(1000):
        clock.now += NS_PER_S
        reviews.users[f"known {number}"] = USER
        assert await status(reviewed, f"Bearer known {number}") == 200
        assert await status(reviewed, f"Bearer unknown {number}") == 401
    assert (len(reviewed._allowed), len(reviewed._refused)) == (ALLOWED_KEPT, REFUSED_KEPT)


async def test_an_api_server_that_is_away_lets_nobody_in_and_is_asked_again(
    reviewed: Reviewed, reviews: Reviews
) -> None:
    reviews.away = True
    assert await status(reviewed, "Bearer good") == 503
    reviews.away = False
    assert await status(reviewed, "Bearer good") == 200


async def test_the_one_token_of_an_installation_for_some_namespaces() -> None:
    check = StaticToken("secret")
    codes = [await status(check, f"Bearer {token}") for token in ("secret", "secre", "secrets", "")]
    assert codes == [200, 401, 401, 401]


@pytest.fixture
def kube() -> FakeKube:
    kube = FakeKube()
    kube.put(SECRETS, {"metadata": {"name": "metrics-token", "namespace": "perfrun-system"}})
    return kube


ABOUT = settings(PERFRUN_METRICS_TOKEN_SECRET="metrics-token")


async def test_a_token_is_made_once_and_kept_in_its_secret(kube: FakeKube) -> None:
    token = await static_token(kube, ABOUT)  # type: ignore[arg-type]
    (secret,) = kube.all(SECRETS)
    assert base64.b64decode(secret["data"]["token"]).decode() == token
    assert len(token) >= 40
    assert await static_token(kube, ABOUT) == token  # type: ignore[arg-type]


async def test_a_token_that_somebody_has_put_there_is_taken(kube: FakeKube) -> None:
    (secret,) = kube.all(SECRETS)
    kube.put(SECRETS, {**secret, "data": {"token": base64.b64encode(b"mine\n").decode()}})
    assert await static_token(kube, ABOUT) == "mine"  # type: ignore[arg-type]
