"""W3C Trace Context: every request names its trace, so that a slow one can be looked up.

https://www.w3.org/TR/trace-context/, version 00.
"""

from collections.abc import Callable

from perfrun.engine.data.generate import mix
from perfrun.engine.data.template import Template

TraceId = Callable[[int], str]
"""The trace id (32 hexadecimal digits) of a step's request, by the number of the iteration."""


def trace_ids(seed: int, place: int) -> TraceId:
    """The ids of one step's requests; the same again for the same seed and place in the plan."""
    salt = mix(seed ^ mix(~place))

    def trace_id(number: int) -> str:
        draw = mix(salt + number)
        # All zeros would be invalid: the last bit makes sure that they are not.
        return f"{draw:016x}{mix(draw) | 1:016x}"

    return trace_id


def traceparent(ids: TraceId) -> Template:
    """The header's value: sampled, the request being the parent of whatever follows."""
    return Template(["00-", lambda number, _: ids(number), "-", _parent(ids), "-01"])


def _parent(ids: TraceId) -> Callable[[int, object], str]:
    return lambda number, _: f"{mix(int(ids(number)[:16], 16)) | 1:016x}"
