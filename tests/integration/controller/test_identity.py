"""Who may speak to the coordinator: the pods of the run, each for itself."""

from perfrun.measure.report import Ready
from tests.integration.controller.world import World


async def test_only_the_right_pod_of_the_run_may_speak(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    own, other = await world.workers("one")
    await world.apply_test("else", target={"http": {"url": "http://else"}})
    await world.create_run("two", "else")
    stranger = (await world.workers("two"))[0]
    ready = Ready().to_bytes()
    pod = (await world.pods("one"))[0]
    foreign = [
        ("no token", await own.post("ready", ready, token="")),
        ("not a token", await own.post("ready", ready, token="abc.def.ghi")),
        (
            "audience of the API server",
            await own.post(
                "ready", ready, token=await world.token(pod, "https://kubernetes.default.svc")
            ),
        ),
        ("not bound to a pod", await own.post("ready", ready, token=await world.token(None))),
        ("of another run's pod", await own.post("ready", ready, token=stranger.token)),
        ("of another index", await own.post("ready", ready, token=other.token)),
        ("an index that is not there", await own.post("ready", ready, index=7)),
    ]
    assert {what: answer.status_code for what, answer in foreign} == {
        "no token": 401,
        "not a token": 403,
        "audience of the API server": 403,
        "not bound to a pod": 403,
        "of another run's pod": 403,
        "of another index": 403,
        "an index that is not there": 403,
    }
    assert all(answer.json()["message"] for _, answer in foreign)
    assert (await world.run("one"))["status"]["workers"]["ready"] == 0


async def test_token_of_another_namespace_is_refused(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    worker = (await world.workers("one"))[0]
    pod = {"metadata": {"name": "imposter"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    elsewhere = World(world.api, world.operator, "default")
    body = await world.api.call("POST", elsewhere.core("pods"), pod)
    answer = await worker.post("ready", Ready().to_bytes(), token=await elsewhere.token(body))
    assert (answer.status_code, answer.json()["message"]) == (
        403,
        "the token belongs to another namespace",
    )
    await world.api.call("DELETE", elsewhere.core("pods", "imposter"))
