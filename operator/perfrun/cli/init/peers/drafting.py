"""A draft from a resource that runs a script: what its operator writes where is up to the importer,
what becomes of it is decided here."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from perfrun.api import Json
from perfrun.api.names import TEST_NAME_MAX, port_of
from perfrun.api.quantities import NS_PER_S, format_exact_duration, parse_duration
from perfrun.cli.init.draft import Draft, LoadDraft, NotCarried, SourceError
from perfrun.cli.init.peers.fields import Fields, ToolVariables
from perfrun.cli.init.source import table, text_of
from perfrun.cli.init.texts import one_line, slug, usable_url

_REASONS_OF_METADATA = dict.fromkeys(
    ("labels", "annotations"),
    "perfrun reads none: write them again if another tool does",
)
_URL = re.compile(r"""https?://[^\s"'<>]+""")
_MARGIN = 300 * NS_PER_S
_LONGEST = "1h"


class ScriptResource:
    """A resource whose fields are taken one by one."""

    def __init__(self, document: Json, name: str) -> None:
        """``name``: of the test; empty: that of the resource, as far as a test can have it."""
        self.not_carried = NotCarried()
        self.root = Fields(document, "", self.not_carried)
        self.metadata, self.spec = self.root.object("metadata"), self.root.object("spec")
        self.test = name or slug(self.metadata.text("name"), TEST_NAME_MAX) or "script"
        self.variables = ToolVariables(self.test, self.not_carried)


@dataclass(frozen=True, slots=True)
class PeerScript:
    """What a resource says, whichever operator it is for."""

    script: Json
    """Tool, image, files and entry."""
    args: Sequence[str]
    """Those that a test may have."""
    duration: str
    """How long the script takes; empty: the resource does not say."""
    workers: int | None
    pod: Json
    notes: tuple[str, ...]
    """About the script."""
    left: Sequence[tuple[Fields, Mapping[str, str]]]
    """Whose other fields are named, with their reasons."""


@dataclass(frozen=True, slots=True)
class PeerOperator:
    """Resources of another operator."""

    shown: str
    """The resource in messages."""
    group: str
    kinds: tuple[str, ...]
    read: Callable[[ScriptResource], PeerScript]

    def has(self, document: Json) -> bool:
        """Whether a document is such a resource."""
        group = text_of(document.get("apiVersion")).partition("/")[0]
        return group == self.group and document.get("kind") in self.kinds

    def drafts(
        self, documents: Sequence[Json], source: str, *, name: str = "", url: str = ""
    ) -> list[Draft]:
        """A test for each such resource of a file. Raises SourceError."""
        found = [one for one in documents if self.has(one)]
        if not found:
            raise SourceError(f"{source}: has no {self.shown}")
        others = [text_of(one.get("kind")) or "?" for one in documents if not self.has(one)]
        name = name if len(found) == 1 else ""
        return [self._draft(one, name, url, _origin(one, source, others)) for one in found]

    def _draft(self, document: Json, name: str, url: str, origin: tuple[str, ...]) -> Draft:
        resource = ScriptResource(document, name)
        variables = resource.variables
        run = self.read(resource)
        targets, target_notes = _targets(url, [*run.args, *variables.texts])
        duration, load_notes = _longest(run.duration)
        script = {
            **run.script,
            **({"args": run.args} if run.args else {}),
            **({"env": variables.variables} if variables.variables else {}),
            "targets": targets,
        }
        namespace = resource.metadata.text("namespace")
        for known in ("apiVersion", "kind", "status"):
            resource.root.take(known)
        resource.metadata.rest(_REASONS_OF_METADATA)
        for fields, reasons in run.left:
            fields.rest(reasons)
        resource.root.rest()
        return Draft(
            name=resource.test,
            url="",
            scenarios=(),
            namespace=namespace,
            script=script,
            pod=run.pod,
            load=LoadDraft({"workers": run.workers or 1, "maxDuration": duration}, (), load_notes),
            notes=(*origin, *resource.not_carried.notes()),
            target_notes=(*run.notes, *target_notes, *variables.notes),
        )


def _origin(document: Json, source: str, others: Sequence[str]) -> tuple[str, ...]:
    """Where a test comes from, and what is to be applied beside it."""
    kind, name = text_of(document.get("kind")), text_of(table(document.get("metadata")).get("name"))
    notes = (f"From the {kind} {one_line(name, 80)} of {source}.",)
    if not others:
        return notes
    listed = ", ".join(dict.fromkeys(one_line(one, 40) for one in others))
    return (*notes, f"Apply what else is in {source} as before: {listed}.")


def _targets(url: str, texts: Iterable[str]) -> tuple[list[str], tuple[str, ...]]:
    """The servers of a script, as far as its resource names them, and notes about them."""
    if url:
        return [_host_port(url)], ()
    found = [one for text in texts for one in _URL.findall(text) if usable_url(one)]
    hosts = list(dict.fromkeys(map(_host_port, found)))[:16]
    if hosts:
        what = "CHECK THIS: URLs of the source; the script may use other hosts, which are refused."
        return hosts, (what,)
    return ["localhost:8080"], ("CHANGE THIS: every host:port that the script sends requests to.",)


def _host_port(url: str) -> str:
    """``shop:443`` of ``https://shop/``."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{port_of(parts)}"


def _longest(duration: str) -> tuple[str, tuple[str, ...]]:
    """``maxDuration`` for a script that takes that long, and notes about it."""
    try:
        return format_exact_duration(parse_duration(duration) + _MARGIN), ()
    except ValueError:
        what = (
            "CHANGE THIS: maxDuration ends the script. The source does not say how long it takes."
        )
        return _LONGEST, (what,)
