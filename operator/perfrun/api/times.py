"""Times as Kubernetes writes them: RFC 3339 in UTC."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field


def format_time(time: datetime) -> str:
    """``2026-11-22T02:00:03Z``; with microseconds if there are any."""
    if time.tzinfo is None:
        raise ValueError("a time without a time zone")
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def format_moment(time: datetime) -> str:
    """The same, always with six digits, so that strings sort like times."""
    if time.tzinfo is None:
        raise ValueError("a time without a time zone")
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """The aware time in such a string. Raises ValueError for anything else."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return time


def _checked(text: str) -> str:
    parse_time(text)
    return text


# Years of this century and the next: no sum of a time and a duration leaves them.
TIME_PATTERN = r"^2[01][0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$"

Time = Annotated[
    str,
    Field(max_length=40, pattern=TIME_PATTERN, json_schema_extra={"format": "date-time"}),
    AfterValidator(_checked),
]
"""A time in an object, as text, because anybody with write access may have written
anything else.
"""
