"""The fixture ``perfrun``: a load is run where a test asks for it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

from perfrun.api.sentence import printable
from perfrun.pytest_plugin.files import file_stem, perftest_name, write_reports
from perfrun.pytest_plugin.given import Given, from_fields, from_file
from perfrun.pytest_plugin.result import Result
from perfrun.pytest_plugin.running import CompletedRun, run_and_wait, run_beside
from perfrun.pytest_plugin.session import PluginSession

Fields = Mapping[str, Any]


class OfManifest(TypedDict, total=False):
    """Arguments for a test from a manifest."""

    name: str
    """Which test, if there are several."""
    url: str
    """Instead of the target's."""
    variables: Mapping[str, str]
    """Override the test's own."""
    secrets: Path
    """A folder with the values of Secrets and ConfigMaps, as for ``perfrun run``."""


class OfPython(TypedDict, total=False):
    """The other fields of a PerfTest's spec that have a meaning here, and ``name``."""

    name: str
    """Name of the test; by default that of the test function."""
    secrets: Path
    scenarios: Sequence[Fields]
    setup: Sequence[Fields]
    teardown: Sequence[Fields]
    variables: Mapping[str, str]
    feeds: Sequence[Fields]


class Perfrun:
    """Runs loads on this machine, like ``perfrun run``, and judges them.

    A mistake in a test raises ValueError before any load; every outcome of a load is a
    :class:`Result`, even if the target was not reached. Coroutines use ``run_async`` and
    ``load_async``: their event loop continues meanwhile, and may serve the target.
    """

    def __init__(self, base: Path, session: PluginSession) -> None:
        """Paths of manifests are relative to ``base``."""
        self._base = base
        self._session = session

    def run(self, manifest: str | Path, **about: Unpack[OfManifest]) -> Result:
        """Run a PerfTest from a manifest; its path is relative to the folder of the
        test's module.
        """
        return self._run(self._of_manifest(manifest, about))

    async def run_async(self, manifest: str | Path, **about: Unpack[OfManifest]) -> Result:
        """:meth:`run`, while the event loop continues."""
        return self._finish(await run_beside(self._of_manifest(manifest, about)))

    def load(
        self,
        *,
        target: str | Fields,
        load: Fields,
        slos: Sequence[Fields] = (),
        **more: Unpack[OfPython],
    ) -> Result:
        """Run a test that is written in Python, with the fields of a PerfTest's spec. ``target``
        may be a URL.
        """
        return self._run(self._of_python(target, load, slos, more))

    async def load_async(
        self,
        *,
        target: str | Fields,
        load: Fields,
        slos: Sequence[Fields] = (),
        **more: Unpack[OfPython],
    ) -> Result:
        """:meth:`load`, while the event loop continues."""
        return self._finish(await run_beside(self._of_python(target, load, slos, more)))

    def check(self, result: Result) -> None:
        """Fail for Fail and Error, warn for Warn and Inconclusive; see :meth:`Result.check`."""
        __tracebackhide__ = True
        result.check(stacklevel=3)

    def _of_manifest(self, manifest: str | Path, about: OfManifest) -> Given:
        return from_file(
            self._base / manifest,
            name=about.get("name"),
            url=about.get("url"),
            variables=about.get("variables"),
            secrets=about.get("secrets"),
        )

    def _of_python(
        self, target: str | Fields, load: Fields, slos: Sequence[Fields], more: OfPython
    ) -> Given:
        spec: dict[str, Any] = {
            "target": {"http": {"url": target}} if isinstance(target, str) else target,
            "load": load,
            "slos": list(slos),
            **more,
        }
        secrets = spec.pop("secrets", None)
        name = spec.pop("name", None) or perftest_name(self._session.test)
        return from_fields(name, spec, secrets)

    def _run(self, given: Given) -> Result:
        return self._finish(run_and_wait(given, self._finish))

    def _finish(self, ended: CompletedRun) -> Result:
        """Write the reports, and record the run for the summary."""
        session, run = self._session, ended.reported.run
        name = run.test
        result = Result(name, run.status, strict=session.strict)
        told = f"{result.verdict.value:<12} {session.test}: {printable(result.message)}"
        number = session.note(told)
        for lost in ended.lost:
            session.add_line(f"  note: lost: {printable(lost)}")
        if session.reports is not None:
            stem = file_stem(session.test, number)
            for line in write_reports(ended.reported, session.reports, stem, strict=session.strict):
                session.add_line(line)
        return result
