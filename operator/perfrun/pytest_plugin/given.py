"""From a user's input, a file or keywords, to a test that can be run.

Mistakes are reported in the words of ``perfrun validate``.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from perfrun.api.test.perftest import PerfTest
from perfrun.local.files.manifests import Manifest, read_manifests
from perfrun.local.values import FoundValues, Held, find_values
from perfrun.logic.accept.spec import check
from perfrun.logic.problems import parse_problems
from perfrun.pytest_plugin.session import InvalidTestError


class Given(NamedTuple):
    """A test, and its values from Secrets and ConfigMaps."""

    test: PerfTest
    values: FoundValues


def from_file(
    file: Path,
    *,
    name: str | None,
    url: str | None,
    variables: Mapping[str, str] | None,
    secrets: Path | None,
) -> Given:
    """A test from a manifest, with another target or other variables. Raises InvalidTestError."""
    manifests = read_manifests([str(file)])
    _refuse(problem.line("error") for one in manifests for problem in one.problems)
    test = _chosen(manifests, file, name)
    if url is not None or variables:
        test = _test(test.metadata.model_dump(by_alias=True), _changed(test, url, variables))
    held = [one.held for one in manifests if one.held is not None]
    return Given(test, _values(test, held, secrets))


def from_fields(name: str, spec: Mapping[str, Any], secrets: Path | None) -> Given:
    """A test from the fields of a PerfTest's spec. Raises InvalidTestError."""
    test = _test({"name": name}, spec)
    return Given(test, _values(test, (), secrets))


def _chosen(manifests: Iterable[Manifest], file: Path, name: str | None) -> PerfTest:
    tests = [one.test for one in manifests if one.test is not None]
    found = [test for test in tests if name in (None, test.metadata.name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(test.metadata.name for test in tests) or "none"
    wanted = "one PerfTest" if name is None else f"one PerfTest named {name}"
    hint = ": select one with name=" if len(found) > 1 and name is None else ""
    raise InvalidTestError(f"{file}: expected {wanted}, but found: {names}{hint}")


def _changed(
    test: PerfTest, url: str | None, variables: Mapping[str, str] | None
) -> dict[str, Any]:
    spec = test.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if url is not None:
        if "http" not in spec["target"]:
            raise InvalidTestError("url: the target of this test is not http, so it has no URL")
        spec["target"]["http"]["url"] = url
    if variables:
        spec["variables"] = {**spec.get("variables", {}), **variables}
    return spec


def _test(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> PerfTest:
    try:
        test = PerfTest.parse({"metadata": dict(metadata), "spec": dict(spec)})
    except ValidationError as error:
        _refuse(f"{problem.field}: {problem.message}" for problem in parse_problems(error))
        raise
    _refuse(f"{problem.field}: {problem.message}" for problem in check(test.spec).problems)
    return test


def _values(test: PerfTest, held: Iterable[Held], secrets: Path | None) -> FoundValues:
    values, missing = find_values(test, held, secrets)
    _refuse(missing)
    return values


def _refuse(problems: Iterable[str]) -> None:
    listed = list(problems)
    if listed:
        raise InvalidTestError("\n".join(listed))
