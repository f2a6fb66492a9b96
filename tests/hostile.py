"""What a worker could send that means ill: messages that grow, and messages changed at random."""

import base64
import copy
import gzip
import json
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from perfrun.measure.benchmark import Benchmark, BenchmarkRecord
from perfrun.measure.histogram import BUCKET_COUNT, Histogram
from perfrun.measure.observed import Observation
from perfrun.measure.picture import Picture
from perfrun.measure.record import Outcome, Timing, Traced
from perfrun.measure.report import Interval, Ready, Trouble, WorkerReport
from perfrun.measure.series import Second, Series
from perfrun.measure.sketch import Sketch
from tests.unit.logic import build

MiB = 1024 * 1024


class Bomb(NamedTuple):
    """A message that is refused: where it is sent, its body, and a part of the reason."""

    name: str
    route: str
    body: bytes
    says: str


def interval(**changes: Any) -> bytes:
    """The JSON of an interval with some fields changed; numbers may be texts without quotes."""
    return _text(json.loads(good_interval().to_bytes()) | changes)


def good_interval(sequence: int = 1) -> Interval:
    latency = Histogram()
    latency.fold([5 * build.MS] * 10)
    return Interval(
        sequence=sequence,
        elapsed=sequence * build.S,
        in_flight=1,
        planned=12,
        started=12,
        dropped=0,
        sent=12,
        succeeded=10,
        failed=1,
        errors={"Status5xx": 1},
        latency=latency,
    )


def hdr(payload: bytes, times: int = 1) -> str:
    """A histogram in HDR V2 with these counts as they are encoded, so many times over."""
    size = len(payload) * times
    header = struct.pack(">IIIIQQd", 0x1C849313, size, 0, 3, 1, 3_600_000_000, 1.0)
    packed = _deflated(zlib.MAX_WBITS, header, payload, times)
    return base64.b64encode(struct.pack(">II", 0x1C849314, len(packed)) + packed).decode()


def gzipped(part: bytes, times: int = 1) -> bytes:
    """A gzip of one part so many times over."""
    return _deflated(zlib.MAX_WBITS | 16, b"", part, times)


def _deflated(window: int, head: bytes, part: bytes, times: int) -> bytes:
    """Made piece by piece: who tries a bomb must not need what it takes."""
    packing = zlib.compressobj(9, zlib.DEFLATED, window)
    pieces = [packing.compress(head), *(packing.compress(part) for _ in range(times))]
    return b"".join([*pieces, packing.flush()])


def histogram(text: str) -> dict[str, Any]:
    return {"hdr": text, "total": 0, "least": 0, "greatest": 0, "clamped": 0}


def report(**changes: Any) -> bytes:
    """The packed report of 20 requests with some fields of its window's step changed."""
    measured = build.report(build.step([5 * build.MS] * 20), window=build.S)
    document = json.loads(measured.to_bytes())
    document["window"]["steps"][0] |= changes
    return gzip.compress(_text(document), mtime=0)


def bombs() -> Iterator[Bomb]:
    """Each of them once ended, starved or misled an operator, or could have."""
    inflating = hdr(bytes(MiB), 600)
    yield Bomb("inflating report", "report", _lag(inflating), "characters")
    yield Bomb("small inflating report", "report", _lag(hdr(bytes(MiB), 60)), "after decompression")
    small = hdr(bytes(MiB), 60)
    yield Bomb(
        "small inflating interval",
        "interval",
        interval(latency=histogram(small)),
        "after decompression",
    )
    yield Bomb(
        "order of histograms", "interval", _text([histogram(small)] * 40), "more than 131072"
    )
    yield Bomb("empty lists", "interval", b"[" + b",".join([b"[]"] * 40_000) + b"]", "values")
    yield Bomb("lists in ready", "ready", b'{"x":[' + b",".join([b"[]"] * 80_000) + b"]}", "values")
    for field in ("elapsed", "inFlight", "sequence", "planned", "sent"):
        yield Bomb(f"{field} of 400 digits", "interval", interval(**{field: 10**400}), field)
        yield Bomb(f"{field} of 2**60", "interval", interval(**{field: 2**60}), field)
    yield Bomb("inFlight in quotes", "interval", interval(inFlight="7"), "inFlight")
    for number in ("NaN", "Infinity", "1e400", "-1", "1.5", "true"):
        yield Bomb(f"inFlight {number}", "interval", interval(inFlight=f"\0{number}"), "inFlight")
    for number in ("NaN", "Infinity", "1e400", "-1"):
        yield Bomb(f"ceiling {number}", "ready", b'{"ceiling":%s}' % number.encode(), "ceiling")
    yield Bomb("nested interval", "interval", b"[" * 100_000, "values")
    yield Bomb("nested a little", "interval", b"[" * 250, "recursion")
    yield Bomb("nested report", "report", gzip.compress(b"[" * 100_000), "levels")
    yield Bomb("lists in a report", "report", gzipped(b"[[],[]," * 50_000, 40), "values")
    objects = b'{"warmup":[' + b'{"a":1},' * 149_990 + b"1]}"
    yield Bomb("objects in a report", "report", gzip.compress(objects), "expected format")
    long = b'{"warmup":"' + b"x" * (16 * MiB - 20) + b'"}'
    yield Bomb("a long text in a report", "report", gzip.compress(long), "expected format")
    digits = b"[" + b",".join([b"9" * 4000] * 4000) + b"]"
    yield Bomb("long numbers in a report", "report", gzip.compress(digits), "digits")
    yield Bomb("long report", "report", gzipped(bytes(MiB), 500), "16 MiB")
    yield Bomb("NaN in a report", "report", report(sent="\0NaN"), "NaN")
    yield Bomb("infinity in a report", "report", report(sent="\0" + "1e999"), "sent")
    yield Bomb("report of 400 digits", "report", report(sent=10**400), "digits")
    yield Bomb("report of 2**60", "report", report(sent=2**60), "sent")
    yield Bomb("what does not add up", "report", report(sent=21), "sent = succeeded")
    yield Bomb("late sends of none", "report", generator(lateSends=1), "1 late sends of 0")
    throttled = generator(throttledPeriods=1)
    yield Bomb("throttled without periods", "report", throttled, "1 throttled periods of 0")
    full = hdr(b"\x80\x80\x80\x80\x80\x80\x02" * BUCKET_COUNT)
    timings = {f"{timing.value}/{one.value}": full for timing in Timing for one in Outcome}
    wide = {name: histogram(text) for name, text in timings.items()}
    yield Bomb("full histograms", "report", report(timings=wide), "histogram")
    yield Bomb("unknown setup values", "ready", b'{"setup":{"a":"b"}}', "do not extract")


def _lag(text: str) -> bytes:
    return generator(lag=histogram(text))


def generator(**changes: Any) -> bytes:
    """The packed report of 20 requests with some fields of its generator's health changed."""
    measured = build.report(build.step([5 * build.MS] * 20), window=build.S)
    document = json.loads(measured.to_bytes())
    document["generator"] |= changes
    return gzip.compress(_text(document), mtime=0)


def _text(document: Any) -> bytes:
    """As JSON; a text that begins with NUL is written without its quotes."""
    text = json.dumps(document)
    parts = text.split('"\\u0000')
    bare = [parts[0]]
    for part in parts[1:]:
        inner, _, rest = part.partition('"')
        bare.append(inner + rest)
    return "".join(bare).encode("utf-8", "surrogatepass")


# --- changed at random ---------------------------------------------------------------------------


def whole_report() -> WorkerReport:
    """A report with every field that there is."""
    record = build.step([5 * build.MS] * 20, timeouts=[5 * build.S], censored=[build.S], failed=2)
    record.messages = {"Timeout": "no answer"}
    record.slowest = [Traced(latency=7, trace_id="0" * 32)]
    pages = Histogram()
    pages.fold([1_000_000])
    record.measures = {"pageLoad": pages}
    measured = build.report(record, window=build.S)
    series = Series()
    latency = Sketch(buckets=[348], counts=[20], least=1_000_000, greatest=1_000_000)
    errors = {"Timeout": 1, "Status5xx": 2}
    series.put(
        0, Second(planned=24, started=24, succeeded=20, failed=3, errors=errors, latency=latency)
    )
    measured.series = series
    measured.window.picture = Picture(scenario="default", step="get", took=1, jpeg="/9j/")
    generator = measured.generator
    generator.exhausted, generator.started_at, generator.machines = {"Ports": 1}, [1.5e9], ["x86"]
    measured.observed = [Observation(name="db", metric="connections", at=[1, 2], values=[1.0, 2])]
    measured.benchmark = BenchmarkRecord(benchmarks=[Benchmark(name="b", values={"mean": 1.0})])
    measured.untidy, measured.forbidden, measured.stopped = "a", "b", "c"
    measured.warmup = measured.window.model_copy(deep=True)
    return measured


def documents(benchmark: bool = False) -> dict[str, Any]:
    """By route: a whole message of each model, as JSON has it."""
    trouble = Trouble(reason="Connect", message="no")
    measured = whole_report()
    if not benchmark:
        measured.benchmark = None
    return {
        "ready": json.loads(Ready(ceiling=1.0, trouble=trouble, setup={}).to_bytes()),
        "interval": json.loads(good_interval().to_bytes()),
        "report": json.loads(measured.to_bytes()),
        "hold": json.loads(measured.to_bytes()),
    }


_ODD: tuple[Any, ...] = (
    0, 1, -1, 2**31, 2**53, 2**53 + 1, 2**63, 2**64, 10**30, 10**400, -(10**400), 1.5, 1e308, -0.0,
    "\0NaN", "\0Infinity", "\0-Infinity", "\0" + "1e999", "\0" + "9" * 5000, "\0" + "[" * 300,
    "", "x", "Timeout", "x" * 70, "x" * 5000, "\u0000", "\ud800", "\u202e\x1b[31m\n", "__proto__",
    [], {}, [[]], [None], {"": None}, None, True, False, [0] * 700, list(range(700)),
)  # fmt: skip


def changed(document: Any, chance: random.Random) -> Any:
    """The document with one to three things in it changed."""
    document = copy.deepcopy(document)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        places = list(_places(document))
        if not places:
            return chance.choice(_ODD)
        holder, key = chance.choice(places)
        _change(holder, key, chance)
    return document


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _change(holder: Any, key: Any, chance: random.Random) -> None:
    what = chance.random()
    if key == "hdr":
        holder[key] = _other_hdr(chance)
    elif what < 0.15:
        del holder[key]
    elif what < 0.3 and isinstance(holder, list):
        holder.extend(copy.deepcopy(holder[:5]) * chance.choice((1, 30)))
    elif what < 0.3:
        holder[chance.choice(("", "x", "Timeout", "x" * 80))] = copy.deepcopy(holder[key])
    elif what < 0.45 and isinstance(holder[key], int | float):
        holder[key] = chance.choice((holder[key] + 1, holder[key] * 2, -holder[key]))
    else:
        holder[key] = copy.deepcopy(chance.choice(_ODD))


def _other_hdr(chance: random.Random) -> str:
    size = chance.choice((0, 1, 9, 300, 30_000, 400_000))
    fill = chance.choice((b"\x00", b"\x01", b"\x02", b"\x7f", b"\x80", b"\xff", b"\x80\x02"))
    text = hdr(fill * size if chance.random() < 0.5 else chance.randbytes(min(size, 3000)))
    if chance.random() < 0.3:
        at = chance.randrange(len(text))
        text = text[:at] + chance.choice("A+/=!\u00e9") + text[at + 1 :]
    return text


def messages(number: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """So many routes and bodies."""
    chance, whole = random.Random(seed), documents()
    for _ in range(number):
        route = chance.choice(("ready", "interval", "interval", "report", "report", "hold"))
        body = _text(changed(whole[route], chance))
        if chance.random() < 0.05 and body:
            at = chance.randrange(len(body))
            body = body[:at] + chance.randbytes(3) + body[at + 1 :]
        if route in ("report", "hold"):
            body = gzip.compress(body, compresslevel=1)
            if chance.random() < 0.03:
                body = body[: chance.randrange(len(body))]
        yield route, body
