"""Which service account workers have, and for whom its tokens may be."""

from tests.cluster.components import API_AUDIENCE
from tests.integration.controller.apiserver import Json, until
from tests.integration.controller.world import World

ACCOUNT = "perfrun-worker"


async def _account(world: World) -> Json | None:
    found: Json | None = await world.api.find(world.core("serviceaccounts", ACCOUNT))
    return found


async def test_workers_have_an_account_that_the_operator_makes_once(world: World) -> None:
    await world.apply_test()
    for run in ("one", "two"):
        await world.create_run(run)
        pods = [pod["spec"] for pod in await _pods(world, run)]
        assert {pod["serviceAccountName"] for pod in pods} == {ACCOUNT}
        assert {pod["automountServiceAccountToken"] for pod in pods} == {False}
        account = await _account(world)
        assert account is not None
        assert account["automountServiceAccountToken"] is False
        await world.finish(run)
        assert (await _account(world) or {})["metadata"]["uid"] == account["metadata"]["uid"]


async def _pods(world: World, run: str) -> list[Json]:
    await world.workers(run)
    return await world.pods(run)


async def test_account_that_somebody_else_has_made_is_never_used(world: World) -> None:
    body = {"metadata": {"name": ACCOUNT}, "automountServiceAccountToken": False}
    made = await world.api.call("POST", world.core("serviceaccounts"), body)
    await world.apply_test()
    await world.create_run("one")
    status = await world.until_done("one")
    assert status["verdict"] == "Error"
    assert status["message"] == (
        f"its workers could not be created: ServiceAccount perfrun-worker in namespace "
        f"{world.namespace} was not created by the operator, and may have permissions that workers must not have: "
        f"delete it, and the operator creates its own (kubectl delete serviceaccount "
        f"perfrun-worker -n {world.namespace})"
    )
    assert (await world.jobs("one"), await world.pods("one")) == ([], [])
    assert (await _account(world) or {})["metadata"]["uid"] == made["metadata"]["uid"]


async def test_account_that_only_says_that_it_is_the_operators_is_replaced(world: World) -> None:
    forged = {"name": ACCOUNT, "labels": {"app.kubernetes.io/managed-by": "perfrun"},
              "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/admin"}}  # fmt: skip
    made = await world.api.call("POST", world.core("serviceaccounts"), {"metadata": forged})
    await world.apply_test()
    await world.create_run("one")
    await world.finish("one")
    account = await _account(world)
    assert account is not None
    assert account["metadata"]["uid"] != made["metadata"]["uid"]
    assert "eks.amazonaws.com/role-arn" not in account["metadata"]["annotations"]


async def _policy(world: World, *audiences: str) -> str:
    """A policy of the test's namespace; gives its path."""
    path = "/apis/perfrun.dev/v1alpha1/perfpolicies"
    spec = {"namespaces": [world.namespace], "allowedAudiences": list(audiences)}
    body = {"apiVersion": "perfrun.dev/v1alpha1", "kind": "PerfPolicy",
            "metadata": {"name": world.namespace}, "spec": spec}  # fmt: skip
    await world.api.call("POST", path, body)
    return f"{path}/{world.namespace}"


async def _apply(world: World, name: str, audience: str) -> None:
    auth = {"serviceAccountToken": {"audience": audience}}
    await world.apply_test(name, target={"http": {"url": f"http://{name}/", "auth": auth}})


async def _ready(world: World, name: str, status: str) -> Json:
    async def look() -> Json | None:
        ready = await world.until_ready(name)
        return ready if ready["status"] == status else None

    return await until(f"test {name} is Ready={status}", look)


async def test_token_that_the_api_server_would_take_is_refused_though_a_policy_lists_it(
    world: World,
) -> None:
    policy = await _policy(world, API_AUDIENCE)
    try:
        for name, audience in (("api", API_AUDIENCE), ("unlisted", "shop")):
            await _apply(world, name, audience)
            ready = await _ready(world, name, "False")
            assert ready["reason"] == "RefusedByPolicy", name
            await world.create_run(f"{name}-1", name)
            status = await world.until_done(f"{name}-1")
            assert status["verdict"] == "Error"
            assert ready["message"] in status["message"]
            word = "the Kubernetes API server itself" if name == "api" else "(allowedAudiences)"
            assert word in ready["message"]
    finally:
        await world.api.call("DELETE", policy)


async def test_listed_audience_is_one_more_token_of_the_workers_account(world: World) -> None:
    policy = await _policy(world, "shop")
    try:
        await _apply(world, "shop", "shop")
        await _ready(world, "shop", "True")
        await world.create_run("one")
        (pod, _) = await _pods(world, "one")
        (volume,) = (one for one in pod["spec"]["volumes"] if one["name"] == "account")
        (source,) = volume["projected"]["sources"]
        assert source["serviceAccountToken"]["audience"] == "shop"
    finally:
        await world.api.call("DELETE", policy)
