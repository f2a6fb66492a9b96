"""What to write if a value does not match its pattern: one table for the API server's messages and
for perfrun's own.
"""

from perfrun.api import quantities
from perfrun.api.names import (
    CIDR_PATTERN,
    CLOCK_PATTERN,
    DNS_LABEL,
    HEADER_VALUE_PATTERN,
    HOST_GLOB_PATTERN,
    HOST_PATTERN,
    LABEL_KEY_PATTERN,
    LABEL_VALUE_PATTERN,
    ORIGIN_PATTERN,
    PART_NAME,
    PATH_PATTERN,
    URL_PATTERN,
    VARIABLE_NAME,
)
from perfrun.api.test.extension import ADDRESS_PATTERN
from perfrun.api.test.load import UNTIL_STOPPED_PATTERN
from perfrun.api.test.perftest import CRON_PATTERN
from perfrun.api.test.scenario import FEW_CLASSES
from perfrun.api.times import TIME_PATTERN

NOTATIONS = {
    quantities.DURATION_PATTERN: "write a number and a unit, as in 500ms, 5s, 10m or 1h30m",
    UNTIL_STOPPED_PATTERN: "write a number and a unit, as in 5m or 1h30m, or UntilStopped",
    quantities.RATE_PATTERN: "write a number per unit of time, as in 100/s or 30/m",
    quantities.PERCENT_PATTERN: "write a percentage from 0% to 100%, as in 1% or 99.9%",
    URL_PATTERN: "write http:// or https:// and a host, without user, password or fragment",
    CRON_PATTERN: (
        "write five fields, as in 0 2 * * *, or one of @hourly, @daily, @weekly, @monthly, "
        "@yearly; set the time zone in timeZone"
    ),
    ADDRESS_PATTERN: "write a host and a port, as in chat:8765",
    PART_NAME: "use letters, digits, '-', '_' and '.', and begin and end with a letter or digit",
    HOST_PATTERN: "write a host name, *.example.com, *.$(namespace).svc or an address",
    HOST_GLOB_PATTERN: "write a host name or an address; * stands for any characters but a dot "
    "or a colon",
    ORIGIN_PATTERN: "write scheme, host and port only, as in http://shop-2:8000",
    LABEL_KEY_PATTERN: "write the key of a label, as in pull-request or example.com/team",
    LABEL_VALUE_PATTERN: (
        "use letters, digits, '-', '_' and '.', and begin and end with a letter or digit"
    ),
    CIDR_PATTERN: "write an address and a prefix length, as in 10.0.0.0/8",
    CLOCK_PATTERN: "write hours and minutes, as in 22:30, up to 24:00",
    VARIABLE_NAME: "use letters, digits and '_', and do not begin with a digit",
}
"""By pattern. The CRDs check these in CEL, whose messages are these."""

_OTHER_NOTATIONS = {
    DNS_LABEL: "use lower-case letters, digits and '-', and begin and end with a letter or digit",
    PATH_PATTERN: "begin with '/', and use no '#' and no control characters",
    HEADER_VALUE_PATTERN: "control characters are not allowed",
    FEW_CLASSES: "use at most 16 character classes, such as [a-z]",
    TIME_PATTERN: "write a time in UTC, as in 2026-11-22T02:00:03Z",
}
"""These remain patterns in the CRDs: an object may have more such fields than CEL's
budget allows.
"""


def notation(pattern: str) -> str:
    """What to write in a field that has to match ``pattern``."""
    return NOTATIONS.get(pattern) or _OTHER_NOTATIONS.get(pattern) or f"it must match {pattern}"
