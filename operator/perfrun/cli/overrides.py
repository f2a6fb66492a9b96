"""``--url``, ``--var``, ``--set`` and ``--label``: the overrides of a run as commands have them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pydantic import ValidationError

from perfrun.api.run.overrides import Overrides
from perfrun.api.test.perftest import PerfTest, PerfTestSpec
from perfrun.local.files.manifests import Manifest
from perfrun.logic.accept.overrides import (
    Overridden,
    is_movable,
    overridden,
    overrides_text,
    settable,
)
from perfrun.logic.accept.spec import check
from perfrun.logic.problems import Problem, field_parts, field_path, parse_problems, suggestion

_FIELDS: dict[str, tuple[str, Callable[[str], object]]] = {
    "load.scale": ("scale", float),
    "load.workers": ("workers", int),
    "load.rate": ("rate", str),
    "load.users": ("users", int),
    "load.requests": ("requests", int),
    "load.duration": ("duration", str),
    "load.maxDuration": ("maxDuration", str),
    # As a test has them: for a load of this kind only.
    "load.open.rate": ("rate", str),
    "load.open.duration": ("duration", str),
    "load.closed.users": ("users", int),
    "load.closed.duration": ("duration", str),
    "load.burst.requests": ("requests", int),
    "load.burst.concurrency": ("users", int),
}
"""What ``--set`` takes: the field of ``overrides.load``, and how its value is read."""
_KINDS: dict[Callable[[str], object], str] = {float: "a number", int: "a whole number"}


class RunChanges(NamedTuple):
    """What the options of a command change in a run."""

    overrides: Overrides
    written: Mapping[str, str] = {}
    """The name behind ``--set``, by the field of ``overrides.load``: a message repeats what the
    user has written."""

    def applied(self, spec: PerfTestSpec) -> Overridden:
        """The spec of the run."""
        if problems := tuple(self._of_other_loads(spec)):
            return Overridden(spec, problems)
        return overridden(spec, self.overrides)

    def as_option(self, problem: Problem) -> str:
        """A problem with overrides, of the option that set them."""
        match field_parts(problem.field)[2:]:  # below spec.overrides
            case ["variables", name]:
                option = f"--var {name}"
            case ["labels", name]:
                option = f"--label {name}"
            case ["url"]:
                option = "--url"
            case ["load", field] if field in self.written:
                option = f"--set {self.written[str(field)]}"
            case ["load"] if self.written:
                option = f"--set {' and '.join(self.written.values())}"
            case parts:
                option = f"--set {field_path(parts)}"
        return f"{option}: {problem.message}"

    def _of_other_loads(self, spec: PerfTestSpec) -> Iterator[Problem]:
        """Settings that are written for another kind of load than that of the test."""
        for field, name in self.written.items():
            match name.split("."):
                case [_, kind, _] if getattr(spec.load, kind) is None:
                    place = field_path(["spec", "overrides", "load", field])
                    yield Problem(place, settable(spec.load))


def parse_overrides(
    *,
    url: str | None = None,
    variables: Sequence[str] = (),
    settings: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> RunChanges | None:
    """The overrides that options ask for; None where they ask for none.

    Raises ValueError with one line for each thing that is wrong.
    """
    body: dict[str, Any] = {"url": url} if url is not None else {}
    for option, field, given in (("--var", "variables", variables), ("--label", "labels", labels)):
        for name, value in _pairs(option, given):
            if name in body.setdefault(field, {}):
                raise ValueError(f"{option} {name}: it is given twice: remove one")
            body[field][name] = value
    written: dict[str, str] = {}
    for name, text in _pairs("--set", settings):
        field, size = _setting(name, text)
        if field in written:
            others = "" if written[field] == name else f" (as {written[field]})"
            raise ValueError(f"--set {name}: it is given twice{others}: remove one")
        written[field] = name
        body.setdefault("load", {})[field] = size
    if not body:
        return None
    try:
        return RunChanges(Overrides.parse(body), written)
    except ValidationError as error:
        of_options = RunChanges(Overrides.model_construct(), written).as_option
        raise ValueError("\n".join(map(of_options, parse_problems(error)))) from error


def changed(manifests: Sequence[Manifest], changes: RunChanges) -> list[Manifest]:
    """The manifests with their tests as they are run; what does not fit is a problem of theirs.

    A URL is for those that have one. Values of Secrets are the user's own, wherever they go.
    """
    url = changes.overrides.url
    here = changes.overrides.model_copy(update={"url": None})
    without_url = changes._replace(overrides=here)
    done: list[Manifest] = []
    moved = 0
    for manifest in manifests:
        if manifest.test is None or manifest.problems:
            done.append(manifest)
            continue
        movable = is_movable(manifest.test.spec.target)
        done.append(_changed(manifest, manifest.test, changes if movable else without_url))
        moved += movable
    if url is not None and not moved and not any(one.problems for one in done):
        option = Manifest(f"--url {url}")
        wrong = option.remark("no test has a target with a URL")
        done.append(replace(option, problems=(wrong,)))
    return done


def _changed(manifest: Manifest, test: PerfTest, changes: RunChanges) -> Manifest:
    if not (line := overrides_text(changes.overrides)):
        return manifest
    spec, problems = changes.applied(test.spec)
    if problems:
        remarks = (manifest.remark(changes.as_option(one)) for one in problems)
        return replace(manifest, problems=tuple(remarks))
    after = check(spec)
    return replace(
        manifest,
        test=test.model_copy(update={"spec": spec}),
        overrides=changes.overrides,
        problems=tuple(manifest.remark(f"with {line}: {problem}") for problem in after.problems),
        warnings=(
            # Those without a field are about how the file was read, and stay.
            *(one for one in manifest.warnings if not one.field),
            *(manifest.remark(str(warning)) for warning in after.warnings),
        ),
        in_cluster=tuple(manifest.remark(str(warning)) for warning in after.in_cluster),
    )


def _pairs(option: str, given: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"{option} {text}: write a name and a value, as in NAME=VALUE")
        yield name, value


def _setting(name: str, text: str) -> tuple[str, object]:
    if name not in _FIELDS:
        raise ValueError(
            f"--set {name}: a run cannot set this{suggestion(name, _FIELDS) or '.'} It can set "
            f"{', '.join(_FIELDS)}; variables with --var, the target with --url, labels with "
            "--label"
        )
    field, read = _FIELDS[name]
    try:
        return field, read(text)
    except ValueError:
        raise ValueError(f"--set {name}={text}: is not {_KINDS[read]}") from None
