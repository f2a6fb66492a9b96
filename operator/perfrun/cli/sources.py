"""The arguments of ``perfrun report`` and ``compare``: files, and runs of a cluster."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from perfrun.api import Json
from perfrun.api.run.perfrun import PerfRun, Phase
from perfrun.api.sentence import printable
from perfrun.cli.cluster.refusals import sentence
from perfrun.kube.errors import AwayError, KubeError
from perfrun.kube.resources import CONFIG_MAPS, PERF_RUNS, PERF_TESTS, Resource
from perfrun.local.files.document import Place, where
from perfrun.logic.comparison.model import Reported
from perfrun.report.reading import (
    MAX_BYTES,
    SyntaxProblemError,
    join_result,
    read_document,
    read_run,
)

_FILE_ENDINGS = (".json", ".json.gz")


class RunArgumentError(Exception):
    """An argument that does not name a run that can be read; the text is for the user."""


class Objects(Protocol):
    """A cluster, as far as runs are read from it. All methods raise KubeError."""

    namespace: str

    def find(self, resource: Resource, name: str) -> Json | None:
        """The object; None if there is none."""
        ...

    def list(self, resource: Resource) -> list[Json]:
        """All objects."""
        ...


@dataclass(slots=True)
class Sources:
    """Reads arguments; ``cluster`` is called when one of them needs it."""

    cluster: Callable[[], Objects]
    last: int
    """The number of runs that ``test/NAME`` stands for."""
    full: bool
    """Whether full results are needed, because a status would not suffice."""
    notes: list[str] = field(default_factory=list)
    """What could not be read."""

    def read(self, argument: str) -> list[Reported]:
        """The runs of one argument, oldest first. Raises RunArgumentError, KubeError."""
        try:
            return self._read(argument)
        except KubeError as error:
            is_name = "/" not in argument
            what = "it is not a file, so it must be a run in a cluster, but " if is_name else ""
            why = f"{printable(argument)}: {what}{sentence(error)}"
            raise KubeError(0, why) from error

    def _read(self, argument: str) -> list[Reported]:
        kind, slash, name = argument.partition("/")
        if argument == "-":
            return _parsed("stdin", sys.stdin.buffer.read(MAX_BYTES + 1))
        if Path(argument).is_file():
            return _parsed(argument, _content(argument))
        if slash and PERF_RUNS.is_called(kind):
            return [self._run(name)]
        if slash and PERF_TESTS.is_called(kind):
            return self._last_of(name)
        if slash or argument.endswith(_FILE_ENDINGS):
            return _parsed(argument, _content(argument))
        return [self._run(argument)]

    def _run(self, name: str) -> Reported:
        cluster = self.cluster()
        body = cluster.find(PERF_RUNS, name)
        if body is None:
            raise RunArgumentError(
                f"there is no PerfRun {printable(name)} in namespace {cluster.namespace}, and no "
                "file with that name"
            )
        return self._reported(body, cluster)

    def _last_of(self, test: str) -> list[Reported]:
        cluster = self.cluster()
        # By the reference, not by the label, which a run that was created by hand may lack.
        mine = [body for body in cluster.list(PERF_RUNS) if _is_done(body, test)]
        if not mine and cluster.find(PERF_TESTS, test) is None:
            raise RunArgumentError(
                f"there is no PerfTest {printable(test)} in namespace {cluster.namespace}"
            )
        if len(mine) < self.last:
            wanted = "one is" if self.last == 1 else f"{self.last} to compare are"
            raise RunArgumentError(
                f"PerfTest {printable(test)} has {len(mine)} finished runs in namespace "
                f"{cluster.namespace}, but {wanted} needed"
            )
        newest = sorted(mine, key=_completed)[-self.last :]
        return [self._reported(body, cluster) for body in newest]

    def _reported(self, body: Json, cluster: Objects) -> Reported:
        try:
            reported = read_run(body)
            if not self.full or (result := self._result(reported.run, cluster)) is None:
                return reported
            return read_run(body, result)
        except ValueError as error:
            raise RunArgumentError(f"PerfRun {_name(body)}: {printable(str(error))}") from error

    def _result(self, run: PerfRun, cluster: Objects) -> Any:
        ref, name = run.status.result, run.metadata.name
        if ref is None or not ref.config_maps:
            if run.status.phase is Phase.DONE and run.status.summary is not None:
                self.notes.append(
                    f"{name}: its full result is no longer kept; only its status is used"
                )
            return None
        pieces: dict[str, Json] = {}
        for piece in ref.config_maps:
            found = _piece(cluster, piece)
            if isinstance(found, str):
                self.notes.append(f"{name}: its full result cannot be read ({found})")
                return None
            pieces[piece] = found
        try:
            return join_result(ref, pieces)
        except ValueError as error:
            self.notes.append(f"{name}: its full result cannot be used ({printable(str(error))})")
            return None


def _piece(cluster: Objects, name: str) -> Json | str:
    """A ConfigMap, or why it cannot be read: users who may see runs may not be allowed to see
    these.
    """
    try:
        found = cluster.find(CONFIG_MAPS, name)
    except AwayError:
        raise
    except KubeError as error:
        return sentence(error)
    return found if found is not None else f"the ConfigMap {name} was deleted"


def _content(file: str) -> bytes:
    try:
        with Path(file).open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise RunArgumentError(f"{printable(file)}: cannot be read: {error.strerror}") from error


def _parsed(name: str, data: bytes) -> list[Reported]:
    try:
        return read_document(data)
    except SyntaxProblemError as error:
        place = where(printable(name), Place(error.line, error.column))
        raise RunArgumentError(f"{place}: error: {printable(str(error))}") from error
    except ValueError as error:
        raise RunArgumentError(f"{printable(name)}: {printable(str(error))}") from error


def _is_done(body: Json, test: str) -> bool:
    of = body.get("spec", {}).get("testRef", {}).get("name")
    phase = body.get("status", {}).get("phase")
    # Those with overrides have run something else: they are asked for by their names.
    return bool(of == test and phase == Phase.DONE and "overrides" not in body["spec"])


def _completed(body: Json) -> tuple[str, str]:
    return str(body["status"].get("completionTime", "")), _name(body)


def _name(body: Json) -> str:
    return printable(str(body.get("metadata", {}).get("name", "")))


def read_all(sources: Sources, arguments: Sequence[str]) -> list[Reported]:
    """The runs of all arguments, in order."""
    return [run for argument in arguments for run in sources.read(argument)]
