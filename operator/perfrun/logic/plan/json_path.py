"""JSONPath (RFC 9535): the same dialect when a test is applied and in the engine."""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

Find = Callable[[Any], list[object]]
"""Yields all values that a path finds in a document. Raises RecursionError if it is nested too
deeply.
"""

_PLAIN = re.compile(r"\$((?:\.[A-Za-z_][A-Za-z0-9_]*|\[(?:0|[1-9][0-9]{0,14})\])*)\Z")
"""Names and indexes. RFC 9535 allows indexes of up to fifteen digits, but not all such numbers."""
_PART = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]")


@cache
def rfc9535() -> Any:
    """The library's compiler of paths, loaded only when a path needs it, which is rare."""
    import jsonpath

    class Dialect(jsonpath.JSONPathEnvironment):
        max_recursion_depth = 10_000
        """Depth limit of ``..``; the library's 100 is less than some services send. Python's own
        limit comes first, with a RecursionError.
        """

    return Dialect(strict=True)


def finder(path: str) -> Find:
    """Compile a JSONPath.

    Raises ValueError that says what is wrong with it. A path of only names and indexes is walked
    directly: at thousands of responses a second a query engine would cost more than the rest of the
    request.
    """
    if (plain := _PLAIN.match(path)) is None:
        return _query(path)
    keys = [name or int(index) for name, index in _PART.findall(plain[1])]

    def walk(document: Any) -> list[object]:
        for key in keys:
            kind = dict if isinstance(key, str) else list
            if not isinstance(document, kind):
                return []
            try:
                document = document[key]
            except (KeyError, IndexError):
                return []
        return [document]

    return walk


def _query(path: str) -> Find:
    if not path:
        raise ValueError("is not a JSONPath (RFC 9535): it is empty")
    try:
        query = rfc9535().compile(path)
    except Exception as error:  # for some paths the library raises other exceptions than its own
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"is not a JSONPath (RFC 9535): {message}") from error
    # The library would parse a string as another JSON document; nothing is below a string.
    return lambda document: [] if isinstance(document, str) else query.findall(document)


def equal(found: object, expected: object) -> bool:
    """Whether two JSON values are equal (RFC 9535, 2.3.5.2.2).

    Numbers are compared as numbers: 1 equals 1.0. Unlike in Python, ``true`` is not a number.
    """
    if isinstance(found, bool) or isinstance(expected, bool):
        return found is expected
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(map(equal, found, expected))
        )
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and found.keys() == expected.keys()
            and all(equal(found[key], value) for key, value in expected.items())
        )
    return found == expected


def _no_number(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def read(body: bytes) -> Any:
    """Parse a body as JSON, in UTF-8, UTF-16 or UTF-32.

    Raises ValueError if it is not JSON, and RecursionError if it is nested too deeply.
    """
    return _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))
