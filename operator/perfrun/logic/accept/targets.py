"""What can be wrong with a target and its timeouts, beyond what patterns can check."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from perfrun.api.quantities import NS_PER_MS, NS_PER_S, format_exact_duration
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.api.test.target import Header
from perfrun.logic.accept.steps import placed_steps
from perfrun.logic.problems import Problem, field_path

MAX_TIMEOUT = 3600 * NS_PER_S
"""A run waits for its last requests, and everything that waits for the same target waits with it.
"""
MAX_START = 24 * 3600 * NS_PER_S
MAX_HOST_LENGTH = 253
MIN_QUIET = 100 * NS_PER_MS
"""Twice the shortest task that counts as long."""
MAX_QUIET = 30 * NS_PER_S
_EXTENSION = ["spec", "target", "extension"]
# Only the engine writes these, because it must be sure of them; a second one would allow request
# smuggling.
_OURS = ("content-length", "transfer-encoding", "connection", "upgrade", "trailer", "te", "expect")


def url_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """A URL without a usable host or port."""
    if spec.target.url is not None:
        yield from url_problem(f"spec.target.{spec.target.kind}.url", spec.target.url)


def url_problem(field: str, url: str) -> Iterator[Problem]:
    """The same for any URL of a spec."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        yield Problem(field, f"{url} cannot be read: {error}")
        return
    if not host:
        yield Problem(field, f"{url} has no host")
    elif len(host) > MAX_HOST_LENGTH:
        yield Problem(
            field, f"has a host of {len(host)} characters; at most {MAX_HOST_LENGTH} are allowed"
        )
    if port == 0:
        yield Problem(field, f"{url}: nothing can listen on port 0")


def duration_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Times that are too long for a run to wait."""
    load, target = spec.load, spec.target.the_one
    where = f"spec.target.{spec.target.kind}"
    yield from _between(f"{where}.timeout", target.timeout, MAX_TIMEOUT)
    if (connecting := spec.target.connect_timeout) is not None:
        yield from _between(f"{where}.connectTimeout", connecting, MAX_TIMEOUT)
    if spec.target.browser is not None:
        yield from _quiet_window(spec.target.browser.quiet_window)
    yield from _between("spec.load.startTimeout", load.start_timeout, MAX_START)
    if load.closed is not None and load.closed.think_time is not None:
        yield from _at_most("spec.load.closed.thinkTime", load.closed.think_time, MAX_TIMEOUT)
    for place, step, _ in placed_steps(spec):
        where = field_path([*place, "thinkTime"])
        yield from _at_most(where, step.think_time or 0, MAX_TIMEOUT)


def _quiet_window(length: int) -> Iterator[Problem]:
    if not MIN_QUIET <= length <= MAX_QUIET:
        least, most = (format_exact_duration(one) for one in (MIN_QUIET, MAX_QUIET))
        yield Problem("spec.target.browser.quietWindow", f"must be from {least} to {most}")


def header_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Headers that only the engine may write."""
    yield from _ours(["spec", "target", "http", "headers"], spec.target.the_http.headers)
    for where, step, _ in placed_steps(spec):
        yield from _ours([*where, "http", "headers"], step.the_http.headers)


def _ours(where: list[str | int], headers: list[Header]) -> Iterator[Problem]:
    for index, header in enumerate(headers):
        if header.name.lower() in _OURS:
            yield Problem(
                field_path([*where, index, "name"]),
                f"perfrun sets the header {header.name} itself: remove it",
            )


def _between(where: str, value: int, most: int) -> Iterator[Problem]:
    if value <= 0:
        yield Problem(where, "must be more than 0s")
    yield from _at_most(where, value, most)


def _at_most(where: str, value: int, most: int) -> Iterator[Problem]:
    if value > most:
        yield Problem(where, f"must be at most {format_exact_duration(most)}")


def address_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """An address without a usable host or port."""
    yield from url_problem(
        field_path([*_EXTENSION, "address"]), f"//{spec.target.the_extension.address}"
    )


def option_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Options that are given twice, or that contain templates."""
    target = spec.target.the_extension
    for name in target.options.keys() & target.options_from.keys():
        yield Problem(
            field_path([*_EXTENSION, "optionsFrom", name]),
            "is also set in options: remove one of them",
        )
    for name, text in target.options.items():
        if "$(" in text:
            yield Problem(
                field_path([*_EXTENSION, "options", name]),
                "contains a template: options are the same for the whole run; move values that "
                "differ between iterations into the steps",
            )
