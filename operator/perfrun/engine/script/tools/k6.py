"""k6: started paused with its execution segment, resumed over its REST API, read as JSON lines."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import httpx

from perfrun.api.quantities import NS_PER_MS, NS_PER_S
from perfrun.engine.command import ResultsError
from perfrun.engine.errors import EngineError, ErrorClass
from perfrun.engine.script.tool import PreparedTool, SampleRows, Tool, ToolShare
from perfrun.engine.script.tools.k6_samples import K6Decoder
from perfrun.measure.command import CommandEnd, CommandOrder
from perfrun.measure.script import MAX_KEY, MAX_SOURCE, MAX_THRESHOLDS, ToolThreshold
from perfrun.reach.foreign import foreign

PROGRAM = "k6"
TAGS = (
    *("check", "error", "error_code", "expected_response", "group", "method", "name", "proto"),
    *("scenario", "service", "status"),
)
"""The system tags that it writes. Not url, which differs where ``name`` is the same."""
_CONFIG = "k6.json"
_PAUSED, _ENDED = 4, 9
"""Of ExecutionStatus: it waits to be resumed; the load is over."""
_LOOK = 0.05
_TIMEOUT = 5.0
_VERSION, _OPTIONS = 0, 1
"""The commands before the load, by number."""
# errext/exitcodes of k6
_NO_FAILURE = frozenset({0, 97, 99, 103, 110})
"""It ended; 99: a threshold was missed, which perfrun judges; 103: it was stopped over its REST
API; 110: the script called exec.test.fail."""
_BY_SIGNAL = 105
_SENTENCES = {
    100: "the setup of the script took longer than its setupTimeout",
    101: "the teardown of the script took longer than its teardownTimeout",
    104: "k6 refuses its configuration",
    105: "k6 was stopped from outside",
    106: "k6 could not open its REST API on the port that perfrun chose",
    107: "the script raised an exception",
    108: "the script ended itself (exec.test.abort)",
    109: "k6 crashed (a panic)",
}


class K6(Tool):
    """One k6."""

    def __init__(self, share: ToolShare) -> None:
        super().__init__(share)
        self._http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{share.port}/v1", trust_env=False, timeout=_TIMEOUT
        )
        self._decoder: K6Decoder | None = None

    def order(self) -> CommandOrder:
        share = self._share
        config = share.folder / _CONFIG
        config.write_text(json.dumps({"noUsageReport": True, **_segment(share)}))
        script = [*share.args, share.entry]
        control = ["--address", f"127.0.0.1:{share.port}", "--config", str(config), "--paused"]
        once = ["--no-setup", "--no-teardown", *(["--linger"] if share.index == 0 else [])]
        output = [
            "--quiet",
            "--no-thresholds",
            "--summary-mode",
            "disabled",
            "--out",
            f"json={share.samples}",
        ]
        tags = ["--system-tags", ",".join(TAGS)]
        inspect = [PROGRAM, "inspect", "--execution-requirements", "--include-system-env-vars"]
        return CommandOrder(
            before=[
                [PROGRAM, "version"],
                [*inspect, *_for_inspect(share.args), share.entry],
            ],
            argv=[PROGRAM, "run", *control, *once, *output, *tags, *script],
            env={"K6_NO_USAGE_REPORT": "true", **share.env},
            hidden=list(share.hidden),
        )

    async def prepare(self) -> PreparedTool:
        version = (await self._before(_VERSION)).decode(errors="replace").split()
        try:
            options = json.loads(await self._before(_OPTIONS))
        except ValueError as error:
            raise EngineError(ErrorClass.DATA, "k6 inspect wrote no JSON") from error
        _check_split(options, self._share)
        prepared = PreparedTool(version=" ".join(version[:2]), thresholds=_thresholds(options))
        if self._decoder is not None:
            self._decoder.select(one.metric for one in prepared.thresholds)
        while True:
            if await self._status() == _PAUSED:
                return prepared
            await asyncio.sleep(_LOOK)

    async def _before(self, number: int) -> bytes:
        while True:
            try:
                output = self._share.output_before(number)
            except ResultsError as error:
                raise EngineError(ErrorClass.DATA, str(error)) from error
            if output is not None:
                return output
            await asyncio.sleep(_LOOK)

    async def _status(self) -> int:
        """Its ExecutionStatus; -1: it does not answer yet."""
        try:
            answer = await self._http.get("/status")
            return int(answer.json()["data"]["attributes"]["status"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return -1

    async def setup(self) -> str:
        answer = await self._call("POST", "/setup", patience=None)
        return json.dumps(_data(answer))

    async def use(self, data: str) -> None:
        await self._call("PUT", "/setup", data)

    async def begin(self) -> None:
        await self._change({"paused": False})

    async def is_over(self) -> bool:
        # Only worker 0's k6 outlives its load.
        return self._share.index == 0 and await self._status() >= _ENDED

    async def teardown(self) -> None:
        await self._call("POST", "/teardown", patience=None)

    async def stop(self) -> None:
        with suppress(EngineError):  # it has ended, or the launcher will end it
            await self._change({"stopped": True})

    async def close(self) -> None:
        await self._http.aclose()

    async def _change(self, attributes: Mapping[str, Any]) -> None:
        data = {"data": {"type": "status", "id": "default", "attributes": attributes}}
        await self._call("PATCH", "/status", json.dumps(data))

    async def _call(
        self,
        method: str,
        path: str,
        content: str | None = None,
        patience: float | None = _TIMEOUT,
    ) -> httpx.Response:
        """``patience``: seconds; None: the caller sets the limit. Raises EngineError."""
        try:
            answer = await self._http.request(method, path, content=content, timeout=patience)
        except httpx.HTTPError as error:
            raise EngineError(ErrorClass.CONNECT, "its REST API does not answer") from error
        if answer.status_code >= 400:
            raise EngineError(ErrorClass.EXIT, _error(answer))
        return answer

    def decoder(self, rows: SampleRows) -> K6Decoder:
        self._decoder = K6Decoder(rows)
        return self._decoder

    def failure(self, end: CommandEnd) -> str | None:
        if end.code in _NO_FAILURE or (end.stopped and end.code == _BY_SIGNAL):
            return None
        if end.code is None or end.code not in _SENTENCES:
            return end.failure
        message = f": {words}" if (words := _last_error(end)) else ""
        return f"{_SENTENCES[end.code]} (exit code {end.code}){message}"


# --- options ----------------------------------------------------------------------------------


def _segment(share: ToolShare) -> dict[str, str]:
    """Its part of the load, and all parts: each user and each arrival belongs to one of them."""
    if share.workers == 1 or share.target.divided != "Segments":
        return {}
    of = [*(f"{number}/{share.workers}" for number in range(share.workers)), "1"]
    return {
        "executionSegment": f"{of[share.index]}:{of[share.index + 1]}",
        "executionSegmentSequence": ",".join(of),
    }


_FOR_INSPECT = ("-e", "--env", "--compatibility-mode", "-t", "--type", "--include-system-env-vars")


def _for_inspect(args: Sequence[str]) -> Iterator[str]:
    """Those arguments that ``k6 inspect`` understands too."""
    follows = False
    for one in args:
        name = one.partition("=")[0]
        if follows or name in _FOR_INSPECT or (name[:2] == "-e" and one[:2] != "--"):
            yield one
        follows = one in _FOR_INSPECT[:-1] and not follows


def _check_split(options: Any, share: ToolShare) -> None:
    """Raise EngineError for a load that the workers cannot share."""
    if share.workers == 1 or share.target.divided != "Segments":
        return
    # k6 prefers the options of a script to those of its configuration file.
    for option in ("executionSegment", "executionSegmentSequence"):
        if options.get(option) is not None:
            raise EngineError(
                ErrorClass.DATA,
                f"the script sets {option} ({options[option]}), so that each of {share.workers} "
                "workers would run this part of the load: remove it from the options of the "
                "script, or use split: None",
            )
    if any(_is_load(one) for one in share.args):
        return  # the arguments take the place of what k6 inspect has shown
    for name, scenario in (options.get("scenarios") or {}).items():
        executor = scenario.get("executor")
        if executor == "externally-controlled":
            raise EngineError(
                ErrorClass.DATA,
                f"scenario {name} is externally controlled, which {share.workers} workers cannot "
                "share: use one worker, or split: None",
            )
        least = _least(scenario)
        if least is not None and least < share.workers:
            raise EngineError(
                ErrorClass.DATA,
                f"scenario {name} ({executor}) has only {least} to share among {share.workers} "
                "workers, so that some of them would have no part of it: use fewer workers, raise "
                "vus, iterations or preAllocatedVUs, or use split: None",
            )


def _is_load(argument: str) -> bool:
    """Whether it changes the scenarios of the script."""
    name = argument.partition("=")[0]
    return name in _LOAD or (name[:2] in _LOAD and name[:2] != "--")


_LOAD = ("-u", "--vus", "-i", "--iterations", "-d", "--duration", "-s", "--stage")


def _least(scenario: Mapping[str, Any]) -> int | None:
    """Into how many parts a scenario can be divided: its users, or iterations if they are fewer."""
    levels = [stage.get("target") for stage in scenario.get("stages") or []]
    users = [scenario.get("preAllocatedVUs"), scenario.get("vus"), scenario.get("startVUs")]
    if scenario.get("executor") == "ramping-vus":
        users += levels
    known = [one for one in users if isinstance(one, int)]
    most = max(known, default=1)
    if scenario.get("executor") == "shared-iterations":
        return min(most, scenario.get("iterations") or 1)
    return most


def _thresholds(options: Any) -> list[ToolThreshold]:
    """The thresholds of the script, as it has them. Raises EngineError for too many."""
    given = [
        (foreign(metric, MAX_KEY), {"threshold": one} if isinstance(one, str) else one)
        for metric, sources in (options.get("thresholds") or {}).items()
        for one in sources or []
    ]
    if len(given) > MAX_THRESHOLDS:
        raise EngineError(
            ErrorClass.DATA,
            f"the script has {len(given)} thresholds; at most {MAX_THRESHOLDS} can be judged: use "
            "fewer",
        )
    return [
        ToolThreshold(
            metric=metric,
            source=foreign(one["threshold"], MAX_SOURCE),
            abort=bool(one.get("abortOnFail")),
            delay=_duration(delay) if (delay := one.get("delayAbortEval")) else 0,
        )
        for metric, one in given
    ]


_PARTS = re.compile(r"([0-9.]+)(h|ms|us|µs|ns|m|s)")
_UNITS = {"h": 3600 * NS_PER_S, "m": 60 * NS_PER_S, "s": NS_PER_S, "ms": NS_PER_MS}
_UNITS |= {"us": 1000, "µs": 1000, "ns": 1}


def _duration(text: str) -> int:
    """ns of a duration of Go: ``1m30s``."""
    return round(sum(float(number) * _UNITS[unit] for number, unit in _PARTS.findall(text)))


# --- answers of its REST API ------------------------------------------------------------------


def _data(answer: httpx.Response) -> Any:
    """The setup's data of an answer; None: it returned nothing, or there is no setup."""
    try:
        return answer.json()["data"]["attributes"].get("data")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(ErrorClass.DATA, "its REST API wrote no data of the setup") from error


def _error(answer: httpx.Response) -> str:
    try:
        first = answer.json()["errors"][0]
        return str(first.get("detail") or first.get("title"))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return f"its REST API answered {answer.status_code}"


_LOG_MESSAGE = re.compile(r'level=(?:error|fatal)\b.*?\bmsg="((?:[^"\\]|\\.)*)"')


def _last_error(end: CommandEnd) -> str:
    """The last error that it logged, or else its last words."""
    found = _LOG_MESSAGE.findall(end.tail)
    return found[-1].replace("\\n", " ").replace('\\"', '"')[:300] if found else end.last_words
