"""Who may speak to the coordinator: the pods of the run, each for itself."""

import asyncio
import base64
import functools
import json
import time
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from perfrun.measure.report import Ready
from tests.cluster.handle import ApiServer
from tests.integration.controller.apiserver import until
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


async def test_pod_that_has_ended_may_not_speak_any_more(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    first, second = await world.workers("one")
    await asyncio.gather(first.at_barrier(), second.at_barrier())
    # Nobody has seen these tokens yet: one is told apart by its pod.
    renewed = [await world.token(pod) for pod in await world.pods("one")]
    ends = [{"phase": "Succeeded"}, {"phase": "Failed", "reason": "Evicted"}]
    for pod, status in zip(await world.pods("one"), ends, strict=True):
        await world.say_of_pod(pod, status)
    for worker, token in zip((first, second), renewed, strict=True):
        answer = await worker.post("interval", b"{}", token=token)
        assert (answer.status_code, "has ended" in answer.json()["message"]) == (403, True)


async def test_pod_that_was_deleted_may_not_speak_any_more(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    first, second = await world.workers("one")
    await asyncio.gather(first.at_barrier(), second.at_barrier())
    pod = (await world.pods("one"))[0]
    path, renewed = world.core("pods", pod["metadata"]["name"]), await world.token(pod)
    await world.api.call("DELETE", path)

    async def gone() -> bool:
        return await world.api.find(path) is None

    await until("the pod is gone", gone)
    answer = await first.post("interval", b"{}", token=renewed)
    assert answer.status_code == 403, answer.text


async def test_pod_that_is_being_terminated_may_still_report(world: World) -> None:
    await world.apply_test()
    await world.create_run("one")
    first, second = await world.workers("one")
    await asyncio.gather(first.at_barrier(), second.at_barrier())
    pod = (await world.pods("one"))[1]
    await world.be_on_node(pod)
    second.token = await world.token(pod)
    await world.api.call("DELETE", world.core("pods", pod["metadata"]["name"]))
    assert (await second.report()).status_code == 200
    assert (await first.report()).status_code == 200
    assert (await world.until_done("one"))["verdict"] == "Pass"


async def test_expired_token_is_refused(world: World, server: ApiServer) -> None:
    await world.apply_test()
    await world.create_run("one")
    first, second = await world.workers("one")
    now = int(time.time())
    sign = functools.partial(_resigned, server.kubeconfig.parent / "pki/sa.key")
    expired = sign(first.token, iat=now - 1200, nbf=now - 1200, exp=now - 600)
    answer = await first.post("ready", Ready().to_bytes(), token=expired)
    assert (answer.status_code, answer.json()["message"]) == (
        403,
        "the token is not valid for perfrun.dev",
    )
    # Signed like that, and not expired, it is taken: so it was refused for its age.
    fresh = sign(second.token, exp=now + 600)
    answer = await second.post("ready", Ready().to_bytes(), token=fresh)
    assert answer.status_code == 200


def _resigned(key: Path, token: str, **claims: int) -> str:
    """A token of the API server with other claims, signed with its own key."""
    header, payload, _ = token.split(".")
    body = {**json.loads(base64.urlsafe_b64decode(payload + "==")), **claims}
    signed = f"{header}.{_base64(json.dumps(body).encode())}"
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    r, s = decode_dss_signature(private.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{signed}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
