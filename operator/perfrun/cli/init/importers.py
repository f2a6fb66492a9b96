"""Which importer reads which kind of source: one row for each.

An importer gets a file and the arguments of the command line, and returns drafts. The notes of a
draft name what it cannot express, with the line if the source has lines. If no test can be made
from a source, it raises SourceError.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from rich.console import Console

from perfrun.api import Json
from perfrun.cli.init.draft import Amendment, Draft, SourceError, amended
from perfrun.cli.init.har.archive import har_drafts
from perfrun.cli.init.jmeter.drafting import jmeter_draft
from perfrun.cli.init.k6 import k6_amendment
from perfrun.cli.init.kinds import SourceKind, kind_of
from perfrun.cli.init.logs.access_log import access_log_draft
from perfrun.cli.init.logs.file import LogFile
from perfrun.cli.init.openapi.document import openapi_draft
from perfrun.cli.init.openslo import openslo_amendment
from perfrun.cli.init.peers.drafting import PeerOperator
from perfrun.cli.init.peers.k6_testrun import K6_TESTRUNS
from perfrun.cli.init.peers.locust_test import LOCUST_TESTS
from perfrun.cli.init.postman.drafting import postman_draft
from perfrun.cli.init.source import SourceFile, rows, table
from perfrun.cli.init.texts import slug
from perfrun.cli.init.vegeta import vegeta_draft


@dataclass(frozen=True, slots=True)
class Wanted:
    """The arguments of the command line that concern a draft."""

    err: Console
    """The console for progress."""
    url: str = ""
    """Without a trailing slash."""
    name: str = ""
    writes: bool = False
    everything: bool = False
    top: int = 20
    kinds: Mapping[str, SourceKind] = field(default_factory=dict)
    """What the command line says that files are; the others are what is in them."""
    environments: tuple[Json, ...] = ()
    """Of Postman, each as it was read; a later one goes before an earlier one."""


Importer = Callable[[SourceFile, Wanted], list[Draft]]


def _openapi(source: SourceFile, wanted: Wanted) -> list[Draft]:
    root, shown = source.document, source.shown
    return [openapi_draft(root, shown, name=wanted.name, url=wanted.url, writes=wanted.writes)]


def _har(source: SourceFile, wanted: Wanted) -> list[Draft]:
    return har_drafts(
        source.document,
        source=source.shown,
        name=wanted.name,
        url=wanted.url,
        writes=wanted.writes,
        everything=wanted.everything,
    )


def _postman(source: SourceFile, wanted: Wanted) -> list[Draft]:
    root, shown = source.located_json(), source.shown
    return [
        postman_draft(
            root,
            shown,
            name=wanted.name,
            url=wanted.url,
            writes=wanted.writes,
            environments=wanted.environments,
        )
    ]


def _jmeter(source: SourceFile, wanted: Wanted) -> list[Draft]:
    return [
        jmeter_draft(
            source.data, source.shown, name=wanted.name, url=wanted.url, writes=wanted.writes
        )
    ]


def _vegeta(source: SourceFile, wanted: Wanted) -> list[Draft]:
    return [
        vegeta_draft(
            source.text, source.shown, name=wanted.name, url=wanted.url, writes=wanted.writes
        )
    ]


def _access_log(source: SourceFile, wanted: Wanted) -> list[Draft]:
    with LogFile(source, wanted.err) as log:
        return [
            access_log_draft(
                log,
                source=source.shown,
                name=wanted.name or slug(source.stem, 40) or "traffic",
                url=wanted.url,
                writes=wanted.writes,
                top=wanted.top,
            )
        ]


def _of_peer(peer: PeerOperator) -> Importer:
    return lambda source, wanted: peer.drafts(
        _objects(source), source.shown, name=wanted.name, url=wanted.url
    )


def _objects(source: SourceFile) -> list[Json]:
    """The resources of a file, those of a List one by one."""
    found = [table(one) for one in source.located_documents()]
    return [
        it
        for one in found
        for it in (map(table, rows(one.get("items"))) if "items" in one else [one])
    ]


IMPORTERS: Mapping[SourceKind, Importer] = {
    SourceKind.OPENAPI: _openapi,
    SourceKind.HAR: _har,
    SourceKind.POSTMAN: _postman,
    SourceKind.JMETER: _jmeter,
    SourceKind.VEGETA: _vegeta,
    SourceKind.ACCESS_LOG: _access_log,
    SourceKind.K6_TESTRUN: _of_peer(K6_TESTRUNS),
    SourceKind.LOCUST_TEST: _of_peer(LOCUST_TESTS),
}


AMENDERS: Mapping[SourceKind, Callable[[SourceFile, Wanted], Amendment]] = {
    SourceKind.OPENSLO: lambda source, _: openslo_amendment(
        source.located_documents(), source.shown
    ),
    SourceKind.K6: lambda source, wanted: k6_amendment(source, wanted.err),
}
"""Kinds of sources that have no requests."""


def drafts_of(files: Sequence[str], wanted: Wanted, otherwise: Draft) -> list[Draft]:
    """The drafts from the files, of which one has the requests (otherwise ``otherwise``), with the
    load and objectives of the other files. Raises SourceError."""
    drafts: list[Draft] = []
    amendments: list[Amendment] = []
    with ExitStack() as stack:
        sources = [stack.enter_context(SourceFile(file)) for file in files]
        kinds = [wanted.kinds.get(one.name) or kind_of(one) for one in sources]
        environments = _environments(sources, kinds)
        wanted = replace(wanted, environments=environments)
        first = ""
        for source, kind in zip(sources, kinds, strict=True):
            if kind in AMENDERS:
                amendments.append(AMENDERS[kind](source, wanted))
            elif kind in IMPORTERS:
                if drafts:
                    raise SourceError(
                        f"{first}, and {source.name} is {kind}: a test has the requests of one "
                        "source"
                    )
                drafts = IMPORTERS[kind](source, wanted)
                first = f"{source.name} is {kind}"
    drafts = drafts or [otherwise]
    for amendment in amendments:
        drafts = [amended(one, amendment) for one in drafts]
    return drafts


def _environments(sources: Sequence[SourceFile], kinds: Sequence[SourceKind]) -> tuple[Json, ...]:
    """Those of Postman. Raises SourceError where there is no collection that uses them."""
    found = [
        source
        for source, kind in zip(sources, kinds, strict=True)
        if kind is SourceKind.POSTMAN_ENVIRONMENT
    ]
    if found and SourceKind.POSTMAN not in kinds:
        raise SourceError(
            f"{found[0].name}: is {SourceKind.POSTMAN_ENVIRONMENT}: give the collection that it "
            "belongs to beside it"
        )
    return tuple(table(source.located_json()) for source in found)
