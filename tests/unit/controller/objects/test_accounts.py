"""The service account of workers: the operator's own, and never another of its name."""

import asyncio

import pytest

from perfrun.api import Json
from perfrun.controller.objects.accounts import SIGNATURE, Accounts, api_audiences
from perfrun.controller.objects.manifests import MANAGED_BY
from perfrun.kube.errors import KubeError, RefusedError
from perfrun.kube.resources import ACCOUNTS
from tests.unit.controller.build import settings
from tests.unit.controller.fake_kube import FakeKube


class Server(FakeKube):
    """One that gives each object a uid of its own, as an API server does."""

    token = "own"
    audiences: list[str] | None = None

    def put(self, resource, body):
        body["metadata"].setdefault("uid", f"uid-{self._version}")
        return super().put(resource, body)

    async def own_token(self) -> str:
        return self.token

    async def create(self, resource, namespace, body):
        if resource.kind != "TokenReview":
            return await super().create(resource, namespace, body)
        assert body["spec"] == {"token": "own"}
        return {"status": {"authenticated": True, "audiences": self.audiences}}


@pytest.fixture
def kube() -> Server:
    return Server()


def accounts(kube: Server, key: str = "key") -> Accounts:
    return Accounts(kube, key)  # type: ignore[arg-type]


def standing(kube: Server) -> Json:
    (account,) = kube.all(ACCOUNTS)
    return account


def forged(**annotations: str) -> Json:
    return {
        "metadata": {
            "name": "perfrun-worker",
            "namespace": "shop",
            "labels": {MANAGED_BY: "perfrun"},
            "annotations": annotations,
        }
    }


async def test_account_is_made_once_without_a_token_in_pods(kube: Server) -> None:
    await accounts(kube).ensure("shop")
    made = standing(kube)
    assert made["automountServiceAccountToken"] is False
    assert made["metadata"]["labels"] == {MANAGED_BY: "perfrun"}
    # Another operator of the same installation knows it.
    await accounts(kube).ensure("shop")
    assert standing(kube)["metadata"]["uid"] == made["metadata"]["uid"]


async def test_account_without_the_label_is_never_used(kube: Server) -> None:
    kube.put(ACCOUNTS, {"metadata": {"name": "perfrun-worker", "namespace": "shop"}})
    with pytest.raises(RefusedError, match="delete serviceaccount perfrun-worker -n shop"):
        await accounts(kube).ensure("shop")
    assert MANAGED_BY not in standing(kube)["metadata"].get("labels", {})


async def test_account_with_a_forged_label_is_replaced(kube: Server) -> None:
    before = kube.put(ACCOUNTS, forged(role="arn:aws:iam::1:role/admin"))
    await accounts(kube).ensure("shop")
    after = standing(kube)["metadata"]
    assert after["uid"] != before["metadata"]["uid"]
    assert after["annotations"].keys() == {SIGNATURE}


async def test_signature_of_a_deleted_account_is_worth_nothing(kube: Server) -> None:
    """Whoever may write accounts can copy it to one of their own."""
    await accounts(kube).ensure("shop")
    old = standing(kube)["metadata"]
    kube.objects.clear()
    kube.put(ACCOUNTS, forged(**old["annotations"], role="arn:aws:iam::1:role/admin"))
    await accounts(kube).ensure("shop")
    assert standing(kube)["metadata"]["annotations"].keys() == {SIGNATURE}


async def test_account_whose_maker_was_killed_before_it_was_signed_is_made_anew(
    kube: Server,
) -> None:
    kube.failing["patch", "serviceaccounts"] = KubeError(0, "killed")
    with pytest.raises(KubeError):
        await accounts(kube).ensure("shop")
    kube.failing.clear()
    await accounts(kube).ensure("shop")
    assert standing(kube)["metadata"]["annotations"].keys() == {SIGNATURE}


async def test_two_runs_at_once_share_an_account(kube: Server) -> None:
    both = accounts(kube)
    await asyncio.gather(both.ensure("shop"), both.ensure("shop"))
    assert kube.asked["create", "serviceaccounts"] == 1


async def test_audiences_are_those_that_the_api_server_says_and_those_that_are_written(
    kube: Server,
) -> None:
    kube.audiences = ["https://issuer.example", "api"]
    configured = settings(PERFRUN_API_AUDIENCES="https://kubernetes.default.svc")
    found = await api_audiences(kube, configured)  # type: ignore[arg-type]
    assert found == {"https://issuer.example", "api", "https://kubernetes.default.svc"}
    kube.token = ""
    found = await api_audiences(kube, configured)  # type: ignore[arg-type]
    assert found == {"https://kubernetes.default.svc"}
