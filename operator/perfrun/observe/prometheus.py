"""A number from a Prometheus server for a query, through its instant query API."""

import math
import ssl
from typing import Any

import httpx
from typing_extensions import override

from perfrun.api.test.metric import VALUE
from perfrun.measure.observed import ObservedMetric
from perfrun.observe.source import ObservedSource, ObservedValues, UnseenError
from perfrun.reach.errors import OpenError
from perfrun.reach.resolver import Resolver

TIMEOUT_SECONDS = 4.0
MAX_BYTES = 64 * 1024
"""Size limit of an answer: a single number takes a few hundred bytes."""
_SHOWN = 200
_NO_SERIES = (
    "the query returned no series, but must return one: check its metric and labels. If no "
    "series means zero, use sum(QUERY) or vector(0)"
)


class PrometheusSource(ObservedSource):
    """A query, sent to an address that the policies allow."""

    metrics: tuple[ObservedMetric, ...] = (VALUE,)

    def __init__(
        self,
        url: str,
        query: str,
        resolver: Resolver,
        verify: ssl.SSLContext | bool,
        token: str | None = None,
    ) -> None:
        self._url, self._query, self._resolver = httpx.URL(url), query, resolver
        self._headers = {"Host": self._url.netloc.decode("ascii")}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        # Created before the load, because an SSL context takes a while.
        self._http = httpx.AsyncClient(verify=verify, trust_env=False, timeout=TIMEOUT_SECONDS)

    @override
    async def look(self) -> ObservedValues:
        try:
            address = (await self._resolver.candidates())[0]
        except OpenError as error:
            raise UnseenError(error.message) from error
        where = self._url.netloc.decode("ascii")
        try:
            status, content = await self._post(address)
        except (httpx.HTTPError, OSError) as error:
            self._resolver.refused(address)
            reason = str(error) or type(error).__name__
            raise UnseenError(f"Prometheus {where} cannot be reached: {reason}") from error
        return {VALUE: _number(where, status, content)}

    async def _post(self, address: str) -> tuple[int, bytes]:
        path = self._url.path.rstrip("/") + "/api/v1/query"
        async with self._http.stream(
            "POST",
            self._url.copy_with(host=address, path=path),
            data={"query": self._query},
            headers=self._headers,
            extensions={"sni_hostname": self._url.host},
        ) as answer:
            content = b""
            async for piece in answer.aiter_bytes():
                content += piece
                if len(content) > MAX_BYTES:
                    raise UnseenError(f"the query returned more than {MAX_BYTES // 1024} KiB")
            return answer.status_code, content

    @override
    async def close(self) -> None:
        await self._http.aclose()


def _number(where: str, status: int, content: bytes) -> float:
    """The number in an answer. Raises UnseenError unless there is exactly one."""
    try:
        reply: Any = httpx.Response(status, content=content).json()
    except ValueError:
        reply = None
    if not isinstance(reply, dict) or reply.get("status") not in ("success", "error"):
        raise UnseenError(
            f"{where} answered with HTTP status {status}, but not in the format of Prometheus"
        )
    if reply["status"] == "error":
        why = str(reply.get("error", "it gave no reason"))[:_SHOWN]
        raise UnseenError(f"Prometheus {where} refused the query: {why}")
    try:
        kind, result = reply["data"]["resultType"], reply["data"]["result"]
        if kind == "vector":
            if not result:
                raise UnseenError(_NO_SERIES)
            if len(result) > 1:
                raise UnseenError(
                    f"the query returned {len(result)} series, but must return one: use sum()"
                )
            if "histogram" in result[0]:
                raise UnseenError(
                    "the query returned a histogram, not a number: use histogram_quantile()"
                )
            result = result[0]["value"]
        elif kind != "scalar":
            raise UnseenError(
                f"the query returned a {str(kind)[:_SHOWN]}, not a number: for a range, use a "
                "function such as rate()"
            )
        value = float(result[1])
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise UnseenError(f"{where} did not answer in the format of Prometheus") from error
    if not math.isfinite(value):
        raise UnseenError(f"the query returned {value}, which is not a finite number")
    return value
