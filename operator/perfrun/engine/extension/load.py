"""Finds the package of a protocol, and creates its object from the options.

All of it is other people's code, so it has a time limit, and its exceptions are turned into
messages.
"""

import asyncio
import inspect
import os
import ssl
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NamedTuple

from perfrun.engine.errors import DataError
from perfrun.extension import Extension
from perfrun.logic.problems import suggestion

GROUP = "perfrun.kinds"
SECONDS_TO_LOAD = 30.0
_WHERE = "spec.target.extension"
_WHAT_TO_DO = (
    "install the package that provides it: in the image of the chart's value worker.image, or "
    "in the environment of perfrun for `perfrun run`"
)


def load(kind: str, options: Mapping[str, str], seconds: float = SECONDS_TO_LOAD) -> Extension[Any]:
    """The protocol with this name and these options. Raises DataError."""
    entry = _entry(kind)
    made: Future[Extension[Any]] = Future()
    # A thread, because an import cannot be interrupted; but the run can be ended, and with it this
    # worker.
    threading.Thread(target=_fulfil, args=(made, entry, options), daemon=True).start()
    try:
        return made.result(seconds)
    except TimeoutError:
        raise DataError(
            f"{_WHERE}.kind: {_name(entry)} was not loaded within {seconds:g}s: check what its "
            "module does when it is imported"
        ) from None


def _fulfil(made: "Future[Extension[Any]]", entry: EntryPoint, options: Mapping[str, str]) -> None:
    try:
        made.set_result(_made(entry, options))
    except DataError as error:
        made.set_exception(error)
    except BaseException as error:
        made.set_exception(
            DataError(f"{_WHERE}.kind: {defect_message(entry.name, Extension, error)}")
        )


def _entry(kind: str) -> EntryPoint:
    installed = entry_points(group=GROUP)
    found = list(installed.select(name=kind))
    if not found:
        names = ", ".join(sorted(installed.names)) or "none"
        raise DataError(
            f"{_WHERE}.kind: the protocol {kind} is not installed in this worker (installed: "
            f"{names[:500]}): {_WHAT_TO_DO}"
        )
    if len(found) > 1:
        raise DataError(
            f"{_WHERE}.kind: {' and '.join(_name(entry) for entry in found)} are both installed: "
            f"uninstall one"
        )
    return found[0]


def _name(entry: EntryPoint) -> str:
    dist = entry.dist
    return f"{entry.name} of {dist.name} {dist.version}" if dist is not None else entry.name


def _made(entry: EntryPoint, options: Mapping[str, str]) -> Extension[Any]:
    try:
        found = entry.load()
    except FOREIGN as error:
        # An import has no access to secrets, so its message may be shown.
        raise DataError(
            f"{_WHERE}.kind: {_name(entry)} could not be loaded: {type(error).__name__}: "
            f"{str(error)[:500]}"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Extension)) or inspect.isabstract(found):
        raise DataError(
            f"{_WHERE}.kind: {entry.value} of {_name(entry)} is not a subclass of "
            "perfrun.extension.Extension with all of its methods"
        )
    names_of(found).check(options, f"{_WHERE}.options", entry.name)
    try:
        return found(**options)
    except DataError as error:
        raise DataError(f"{_WHERE}.options: {error.message}") from error
    except FOREIGN as error:
        raise DataError(f"{_WHERE}.options: {defect_message(entry.name, found, error)}") from error


class NamedParameters(NamedTuple):
    """The named parameters that something accepts."""

    known: frozenset[str]
    required: frozenset[str]
    takes_any: bool

    def check(self, given: Iterable[str], where: str, kind: str) -> None:
        """Raises DataError for an unknown name, and for a missing one."""
        given = set(given)
        for name in sorted(given - self.known):
            if not self.takes_any:
                known = ", ".join(sorted(self.known)) or "none"
                hint = suggestion(name, self.known) or f"; there are: {known}"
                raise DataError(f"{where}: {kind} does not know {name}{hint}")
        for name in sorted(self.required - given):
            raise DataError(f"{where}: {name} is missing, and {kind} needs it")


def names_of(called: Callable[..., object], leave_out: int = 0) -> NamedParameters:
    """The parameters of a callable by name, without the first ``leave_out``."""
    parameters = list(inspect.signature(called).parameters.values())[leave_out:]
    named = [
        one
        for one in parameters
        if one.kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    ]
    return NamedParameters(
        frozenset(one.name for one in named),
        frozenset(one.name for one in named if one.default is inspect.Parameter.empty),
        any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters),
    )


FOREIGN = (Exception, SystemExit)
"""Everything that foreign code may raise by itself; none of it may end a worker."""


def defect_message(kind: str, of: type, error: BaseException) -> str:
    """A defect in words: its type and its place. Its message may contain a secret."""
    name = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == _file(of)] or frames[-1:]
    place = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return f"{kind} has a defect: {name}{place}"


def lost(error: OSError) -> str:
    """How a connection was lost or not opened, in the words of the system; the extension's message
    may contain a secret."""
    if isinstance(error, ssl.SSLError):  # errors that OpenSSL did not create have none of these
        message = getattr(error, "verify_message", None) or getattr(error, "reason", None)
        return message or type(error).__name__
    number = error.errno or 0
    return os.strerror(number) if number > 0 else type(error).__name__


def is_ours(error: BaseException) -> bool:
    """Whether perfrun requested a cancellation, rather than the extension."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _file(of: type) -> str | None:
    try:
        return inspect.getfile(of)
    except (TypeError, OSError):
        return None
