"""Workers that are played by hand.

There is no kubelet: the pods that the Job controller makes stay Pending, and a test speaks to the
coordinator as their containers would.
"""

import asyncio
import ssl
import time
from dataclasses import dataclass, field

import httpx

from perfrun.measure.histogram import Histogram
from perfrun.measure.report import Hold, Interval, Order, Ready, Start, WorkerReport
from tests.integration.controller.apiserver import PATIENCE_S, POLL_S
from tests.unit.logic import build

EACH = 20
"""Requests that a played worker reports."""


@dataclass
class Worker:
    """One worker, played: the container of a pod that no kubelet has started."""

    index: int
    uid: str
    base: str
    token: str
    context: ssl.SSLContext
    each: int = EACH
    log: list[str] = field(default_factory=list)

    async def post(
        self,
        what: str,
        body: bytes,
        *,
        index: int | None = None,
        uid: str | None = None,
        token: str | None = None,
    ) -> httpx.Response:
        where = self.index if index is None else index
        url = f"{self.base}/v1/runs/{uid or self.uid}/workers/{where}/{what}"
        bearer = self.token if token is None else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        async with httpx.AsyncClient(verify=self.context, timeout=15, trust_env=False) as http:
            return await http.post(url, content=body, headers=headers)

    async def insist(self, what: str, body: bytes, seconds: float = PATIENCE_S) -> httpx.Response:
        """Send until it is taken or turned away for good, as a real worker does."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                response = await self.post(what, body)
            except httpx.TransportError as error:
                self.log.append(f"{what}: {error!r}")
            else:
                self.log.append(f"{what}: {response.status_code} {response.text}")
                if response.status_code not in (429, 503):
                    return response
            assert time.monotonic() < deadline, f"worker {self.index} gave up: {self.log[-5:]}"
            await asyncio.sleep(POLL_S)

    async def at_barrier(self, ready: Ready | None = None) -> Start:
        """Ready until the barrier opens, or the run ends."""
        while True:
            response = await self.insist("ready", (ready or Ready(ceiling=1000.0)).to_bytes())
            if response.status_code == 410:
                return Start(stop="over")
            assert response.status_code == 200, response.text
            start = Start.model_validate_json(response.content)
            if start.start_in is not None or start.stop is not None:
                return start

    async def interval(self, sequence: int = 1) -> httpx.Response:
        return await self.insist(
            "interval",
            Interval(
                sequence=sequence,
                elapsed=sequence * build.S,
                in_flight=0,
                planned=self.each,
                started=self.each,
                dropped=0,
                sent=self.each,
                succeeded=self.each,
                failed=0,
                latency=Histogram(),
            ).to_bytes(),
        )

    async def told(self, number: int) -> Hold:
        """That hold of a capacity search, once the coordinator says it."""
        deadline, sequence = time.monotonic() + PATIENCE_S, 0
        while True:
            sequence += 1
            order = Order.model_validate_json((await self.interval(sequence)).content)
            if order.hold is not None and order.hold.number == number:
                return order.hold
            assert time.monotonic() < deadline, f"hold {number} was never told: {order}"
            await asyncio.sleep(POLL_S)

    def held(self, hold: Hold, workers: int) -> WorkerReport:
        """What a worker measures of a hold that goes well."""
        share = round(hold.rate * hold.length / build.S) // workers
        report = build.report(build.step([5 * build.MS] * share), window=hold.length)
        report.hold = hold.number
        return report

    def measured(self) -> WorkerReport:
        return build.report(build.step([5 * build.MS] * self.each), window=build.S)

    async def report(self, stopped: str | None = None) -> httpx.Response:
        """``stopped``: why it has ended before its load did."""
        measured = self.measured()
        measured.stopped = stopped
        return await self.insist("report", measured.pack())

    async def work(self, intervals: int = 2) -> int:
        """The whole life of a worker. Gives the status of its last word."""
        start = await self.at_barrier()
        if start.stop is not None:
            return 410
        for sequence in range(1, intervals + 1):
            await self.interval(sequence)
            await asyncio.sleep(POLL_S)
        return (await self.report()).status_code
