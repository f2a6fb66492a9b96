"""The lease by which one of several operators leads, and the fence for its writes.

A separate thread keeps it (:mod:`perfrun.controller.lead.lease_thread`), as client-go's leader
election renews in a separate goroutine; the main loop asks whether it may write. The client
library's leader election is not used: it keeps the record in an annotation, compares wall clocks,
and stops nobody from writing after the lease was lost.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from perfrun.api import Json
from perfrun.controller.settings import Settings
from perfrun.kube.client import Kube
from perfrun.kube.errors import AlreadyExistsError, ConflictError, KubeError, NotFoundError
from perfrun.kube.resources import LEASES
from perfrun.logic.run.lease import (
    LEASE_S,
    RENEW_WITHIN_S,
    RETRY_S,
    Candidate,
    Claim,
    HeldLease,
    claim,
)

logger = logging.getLogger(__name__)

PROCESS_ANNOTATION = "perfrun.dev/process"
ATTEMPT_S = 4.0
ANNOUNCE_S = 10.0


class NotLeadingError(KubeError):
    """An operator that may not write (any more) tried to write."""


class LostLeaseError(Exception):
    """Another operator leads, or may do so soon: this process has to end."""


class Leadership:
    """Gets the lease, keeps it, and says until when writes are allowed."""

    def __init__(
        self,
        kube: Kube,
        settings: Settings,
        announce: Callable[[Kube, Settings, str], Awaitable[None]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``announce`` directs the workers to this process; it gets the lease's uid."""
        self._kube = kube
        self._fenced = kube.fenced(self.time_to_write)
        self._settings = settings
        self._namespace, self._name = settings.namespace, settings.lease
        process = secrets.token_hex(8)
        pod = f"{settings.pod_name}_{settings.pod_uid or process}"
        self._me = Candidate(pod, process)
        self._announce = announce
        self._announced = float("-inf")
        self._now = now
        self._deadline = float("-inf")
        self._version, self._since = "", now()
        """The lease's version that was seen last, and since when."""
        self.leading = asyncio.Event()
        """Set once this process has the lease; never cleared: without it, it ends."""

    def time_to_write(self) -> float:
        """How many seconds a write may take now. Raises NotLeadingError. Any thread may call it."""
        left = self._deadline - self._now()
        if left <= 0:
            raise NotLeadingError(0, f"this operator does not hold Lease {self._name}")
        return left

    async def run(self) -> None:
        """Wait for the lease and keep it; ends only with LostLeaseError."""
        while not self.leading.is_set():
            try:
                async with asyncio.timeout(ATTEMPT_S):
                    await self._campaign()
            except (KubeError, TimeoutError) as error:
                logger.warning("Lease %s: %s", self._name, str(error) or "no response in time")
            if not self.leading.is_set():
                await asyncio.sleep(RETRY_S)
        while True:
            await asyncio.sleep(RETRY_S)
            await self._keep()

    async def release(self) -> None:
        """Let a standby have the lease at once; call it when nothing writes any more."""
        if self._deadline <= self._now():
            return
        self._deadline = float("-inf")
        try:
            async with asyncio.timeout(ATTEMPT_S):
                await self._write({"holderIdentity": ""})
        except (KubeError, TimeoutError) as error:
            logger.warning("Lease %s could not be released: %s", self._name, error)

    async def _campaign(self) -> None:
        body = await self._kube.find(LEASES, self._namespace, self._name)
        if body is None:
            try:
                body = await self._kube.create(
                    LEASES, self._namespace, {"metadata": {"name": self._name}}
                )
            except AlreadyExistsError:
                return
        self._see(body)
        held = _held(body)
        if claim(held, self._me, self._now() - self._since) is Claim.TAKEN:
            return
        sent = self._now()
        spec = body.get("spec") or {}
        try:
            await self._write(
                {
                    "holderIdentity": self._me.identity,
                    "leaseDurationSeconds": int(LEASE_S),
                    "leaseTransitions": int(spec.get("leaseTransitions") or 0) + 1,
                    "acquireTime": _micro_time(),
                    "renewTime": _micro_time(),
                }
            )
        except ConflictError:
            return  # another operator was faster
        self._deadline = sent + RENEW_WITHIN_S
        logger.info("leading: %s has Lease %s", self._me.identity, self._name)
        self.leading.set()
        await self._lead_workers_here(body["metadata"]["uid"])

    async def _keep(self) -> None:
        """Renew once. Raises LostLeaseError if that does not succeed in time, or if there is
        another holder.
        """
        if self._now() >= self._deadline:
            raise LostLeaseError(f"Lease {self._name} was not renewed for {RENEW_WITHIN_S:.0f}s")
        sent = self._now()
        try:
            async with asyncio.timeout(min(ATTEMPT_S, self._deadline - sent)):
                body = await self._renew()
        except NotFoundError as error:
            raise LostLeaseError(f"Lease {self._name} was deleted") from error
        except (KubeError, TimeoutError) as error:
            logger.warning(
                "Lease %s not renewed: %s", self._name, str(error) or "no response in time"
            )
            return
        self._deadline = sent + RENEW_WITHIN_S
        await self._lead_workers_here(body["metadata"]["uid"])

    async def _renew(self) -> Json:
        try:
            return await self._write({"renewTime": _micro_time()})
        except ConflictError:
            # Its own earlier write, whose answer was lost, or another operator's.
            body = await self._kube.get(LEASES, self._namespace, self._name)
            if claim(_held(body), self._me, 0) is not Claim.MINE:
                holder = _held(body).identity or "nobody"
                raise LostLeaseError(f"Lease {self._name} belongs to {holder}") from None
            self._see(body)
            return await self._write({"renewTime": _micro_time()})

    async def _write(self, spec: Json) -> Json:
        """Change the lease as it was last seen. Raises ConflictError if it has changed since."""
        marks = {PROCESS_ANNOTATION: self._me.process}
        metadata = {"resourceVersion": self._version, "annotations": marks}
        body = await self._kube.patch(
            LEASES, self._namespace, self._name, {"metadata": metadata, "spec": spec}
        )
        self._see(body)
        return body

    async def _lead_workers_here(self, lease_uid: str) -> None:
        if self._now() - self._announced < ANNOUNCE_S:
            return
        try:
            async with asyncio.timeout(ATTEMPT_S):
                await self._announce(self._fenced, self._settings, lease_uid)
        except (KubeError, TimeoutError) as error:
            logger.warning(
                "the Service could not be pointed to this operator: %s",
                str(error) or "no response in time",
            )
        else:
            self._announced = self._now()

    def _see(self, body: Json) -> None:
        version = body["metadata"]["resourceVersion"]
        if version != self._version:
            self._version, self._since = version, self._now()


def _held(body: Json) -> HeldLease:
    spec = body.get("spec") or {}
    return HeldLease(
        identity=spec.get("holderIdentity") or "",
        process=body["metadata"].get("annotations", {}).get(PROCESS_ANNOTATION, ""),
        duration=float(spec.get("leaseDurationSeconds") or LEASE_S),
    )


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
