"""Targets at another address than in their manifests: ``perfrun run --url http://localhost:8000``.

So a laptop can run the same manifest as a cluster.
"""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from perfrun.api.test.perftest import PerfTest
from perfrun.api.test.target import Url

_ORIGIN = re.compile(r"https?://[^/?#\s@]+/?")
_PORTS = {"http": 80, "https": 443}
_URL: TypeAdapter[str] = TypeAdapter(Url)


def moved_to(origin: str, tests: Sequence[PerfTest]) -> list[PerfTest]:
    """The tests, those with a URL or an address at ``origin``, with their own paths.

    Raises ValueError that says what to do.
    """
    if _ORIGIN.fullmatch(origin) is None:
        raise ValueError(
            f"--url {origin}: write scheme, host and port only, as in --url "
            "http://localhost:8000; paths are taken from the manifest"
        )
    moved = [_moved(test, origin.rstrip("/")) for test in tests]
    if tests and all(after is before for after, before in zip(moved, tests, strict=True)):
        raise ValueError(f"--url {origin}: no test has a target with a URL")
    return moved


def _moved(test: PerfTest, origin: str) -> PerfTest:
    target = test.spec.target
    known = target.http or target.browser
    if known is None:
        return _moved_extension(test, origin)
    old = urlsplit(known.url)
    query = f"?{old.query}" if old.query else ""
    try:
        url = _URL.validate_python(f"{origin}{old.path}{query}")
    except ValidationError as error:
        raise ValueError(f"--url {origin}: {error.errors()[0]['msg']}") from error
    return _with(test, {target.kind: known.model_copy(update={"url": url})})


def _moved_extension(test: PerfTest, origin: str) -> PerfTest:
    """Of an origin, use host and port: the protocol decides about its scheme."""
    extension = test.spec.target.extension
    if extension is None:
        return test
    parts = urlsplit(origin)
    try:
        address = (
            parts.netloc if parts.port is not None else f"{parts.netloc}:{_PORTS[parts.scheme]}"
        )
    except ValueError as error:
        raise ValueError(f"--url {origin}: {error}") from error
    return _with(test, {"extension": extension.model_copy(update={"address": address})})


def _with(test: PerfTest, update: dict[str, object]) -> PerfTest:
    target = test.spec.target.model_copy(update=update)
    spec = test.spec.model_copy(update={"target": target})
    return test.model_copy(update={"spec": spec})
