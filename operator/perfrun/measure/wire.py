"""What every wire format shares: a version, strictness, bounded numbers, histograms as HDR V2.

Senders are not trusted: each number, name and list has a bound here or in its model, and the values
in JSON are counted before it is parsed. Counts obey laws: everything that was started, sent or
failed has an outcome.
"""

import gzip
import io
import json
import re
import zlib
from collections.abc import Collection
from typing import Annotated, Any, NoReturn

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    ValidationInfo,
)
from pydantic.alias_generators import to_camel

from perfrun.api.sentence import printable
from perfrun.measure.histogram import MAX_COUNT, Histogram, Room

MAX_TOTAL = 2**63 - 1
"""Maximum of sums over users or bytes: the integers of the API."""
MAX_NAME = 64
MAX_ERROR_CLASSES = 64
TIMEOUT, POLICY, OTHER_ERRORS = "Timeout", "Policy", "Other"
"""Classes of errors. The last: everything beyond that number of classes."""
MAX_STATUS_CODES = 20
"""Of one step; those beyond are counted as ``Other``."""
_MAX_REASON = 200
_MAX_DIGITS = 40

Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Nanoseconds = Annotated[int, Field(ge=0, le=MAX_COUNT)]
"""A duration: 104 days at most."""
Moment = Annotated[int, Field(ge=-MAX_COUNT, le=MAX_COUNT)]
"""ns since another moment, negative before it."""
Total = Annotated[int, Field(ge=0, le=MAX_TOTAL)]
MAX_RATE = 1e12
Rate = Annotated[float, Field(ge=0, le=MAX_RATE)]
"""Per second."""
PartOfPlan = Annotated[str, Field(max_length=63)]
"""The name of something observed."""
MAX_STEP_NAME = 200
NameOfStep = Annotated[
    str,
    Field(max_length=MAX_STEP_NAME),
    AfterValidator(lambda name: printable(name, MAX_STEP_NAME)),
]
"""The name of a scenario or a step: of the plan, or as a script's tool has it."""
ErrorName = Annotated[
    str,
    Field(min_length=1, max_length=MAX_NAME),
    AfterValidator(lambda name: printable(name, MAX_NAME)),
]


StatusCode = Annotated[str, Field(pattern=rf"^([1-9][0-9]{{2}}|{OTHER_ERRORS})$")]
"""Of an answer, as in JSON."""


class Wire(BaseModel):
    """A message between processes of one version of perfrun; anything unknown is refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        serialize_by_alias=True,
    )

    def to_bytes(self) -> bytes:
        """The message as JSON."""
        return self.model_dump_json().encode()


def class_among(known: Collection[str], name: str) -> str:
    """The class under which an error is counted, given the classes that are ``known``.

    Timeout keeps its name, because each timeout has a latency sample.
    """
    if name in known or name == TIMEOUT or len(known) < MAX_ERROR_CLASSES - 2:
        return name
    return OTHER_ERRORS


def unzip(packed: bytes, most: int) -> bytes:
    """The decompressed bytes, at most ``most``. Raises ValueError for anything else."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            data = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError("not gzip data, or damaged") from error
    if len(data) > most:
        raise ValueError(f"more than {most // 1024**2} MiB after decompression")
    return data


def parse_json(data: bytes, most: int) -> Any:
    """The document in ``data``, of at most ``most`` values. Raises ValueError.

    Values are counted before parsing, including marks in strings: three bytes of JSON can take
    three hundred in memory. At most a quarter of them may be lists and objects. No other thread
    runs while they are created, so these bounds also limit the time.
    """
    holders = data.count(b"[") + data.count(b"{")
    if holders > most // 4 or holders + data.count(b",") > most:
        raise ValueError(f"JSON with more than {most} values, or {most // 4} lists and objects")
    try:
        return json.loads(data, parse_constant=_no_number, parse_int=_integer)
    except RecursionError:
        raise ValueError("JSON with too many levels") from None
    except UnicodeDecodeError as error:
        raise ValueError("JSON that is not UTF-8") from error


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"JSON with an integer of more than {_MAX_DIGITS} digits")
    return int(text)


def check_values(message: bytes, most: int) -> None:
    """Raise ValueError for JSON with more than ``most`` values, in a message of about 100 KiB."""
    if _marks(message) > most and _marks(_STRING.sub(b"", message)) > most:
        raise ValueError(f"JSON with more than {most} values")


_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)


def _marks(data: bytes) -> int:
    return sum(data.count(mark) for mark in (b",", b"[", b"{"))


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"JSON with {text}, which is not a JSON number")


def reason_of(error: ValueError) -> str:
    """Why a message is refused, in one short line: the place, and what is wrong there."""
    if not isinstance(error, ValidationError):
        return str(error).partition("\n")[0][:_MAX_REASON]
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part)[:MAX_NAME] for part in first["loc"][:8])
    what = first["msg"].removeprefix("Value error, ").partition("\n")[0][:_MAX_REASON]
    return f"{where}: {what}" if where else what


_EXACT = ("total", "least", "greatest", "clamped")


def _decode(value: Any, info: ValidationInfo) -> Histogram:
    if isinstance(value, Histogram):
        return value
    if not isinstance(value, dict) or value.keys() != {"hdr", *_EXACT}:
        raise ValueError(
            "a histogram must be an object with hdr, total, least, greatest and clamped"
        )
    text, numbers = value["hdr"], {name: value[name] for name in _EXACT}
    if type(text) is not str or any(type(number) is not int for number in numbers.values()):
        raise ValueError("a histogram with values that are not numbers")
    room = info.context if isinstance(info.context, Room) else None
    return Histogram.decode(text, **numbers, room=room)


def _encode(value: Histogram) -> dict[str, Any]:
    return {
        "hdr": value.encode(),
        "total": value.total,
        "least": value.least,
        "greatest": value.greatest,
        "clamped": value.clamped,
    }


WireHistogram = Annotated[Histogram, PlainValidator(_decode), PlainSerializer(_encode)]


class ConservationError(AssertionError):
    """Counts that do not add up: a defect of perfrun, never of the target."""


def law(what: str, left: int, right: int) -> None:
    """Raise ConservationError unless both sides are the same."""
    if left != right:
        raise ConservationError(f"{what}: {left} is not {right}; this is a defect of perfrun")
