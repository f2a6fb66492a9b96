"""``perfrun init``: reads a source, drafts a test, writes it, and reads it back."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from perfrun.api.names import DNS_LABEL, TEST_NAME_MAX
from perfrun.cli.init.draft import DEFAULT_URL, Draft, ScenarioDraft, SourceError, StepDraft
from perfrun.cli.init.importers import Wanted, drafts_of
from perfrun.cli.init.kinds import SourceKind
from perfrun.cli.init.load import steady
from perfrun.cli.init.texts import one_line, path_template, slug, usable_url
from perfrun.cli.init.write import manifest, write_drafts
from perfrun.cli.terminal.exits import Exit
from perfrun.cli.terminal.streams import Output, print_line
from perfrun.local.files.manifests import MAX_FILE, parse_manifests
from perfrun.local.files.strictyaml import load_documents
from perfrun.logic.accept.budgets import MAX_SPEC_BYTES

_STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Wish:
    """The arguments of the command line."""

    files: Sequence[str] = ()
    k6_testruns: Sequence[str] = ()
    locust_tests: Sequence[str] = ()
    url: str = ""
    name: str = ""
    output: str = _STDOUT
    writes: bool = False
    everything: bool = False
    top: int = 20


def init_test(wish: Wish, out: Output, err: Console) -> Exit:
    """Write the tests; standard error says what to do next."""
    problems = list(_problems(wish))
    if problems:
        for problem in problems:
            print_line(err, problem)
        return Exit.USAGE
    try:
        drafts = _drafts(wish, err)
    except SourceError as error:
        print_line(err, one_line(str(error), 1000))
        return Exit.USAGE
    shown = one_line(wish.output, 80) if wish.output != _STDOUT else "FILE"
    text = write_drafts(drafts, shown)
    if too_large(drafts, text):
        print_line(
            err,
            f"the test is larger than {MAX_SPEC_BYTES // 1024} KiB, or the file than "
            f"{MAX_FILE // 1024} KiB: use a smaller source, with fewer requests or shorter bodies",
        )
        return Exit.USAGE
    if (wrong := unlike(drafts, text)) is not None:
        print_line(
            err, f"nothing was written, because of a defect of perfrun: {one_line(wrong, 500)}"
        )
        return Exit.ERROR
    return _write(wish, text, drafts, out, err)


def _problems(wish: Wish) -> Sequence[str]:
    problems = []
    if wish.url and not usable_url(wish.url):
        problems.append(
            f"--url: {one_line(wish.url, 100)!r} is not a URL of a service: write http:// or "
            "https:// and a host, without user, password or fragment"
        )
    elif wish.url and wish.files and "?" in wish.url:
        problems.append(
            "--url: the paths of the source are appended to it, so it must not have a query: "
            "remove the query"
        )
    if wish.name and (len(wish.name) > TEST_NAME_MAX or not re.fullmatch(DNS_LABEL, wish.name)):
        problems.append(
            f"--name: {one_line(wish.name, 60)!r} is not a valid name: use at most "
            f"{TEST_NAME_MAX} lowercase letters, digits and '-'"
        )
    if wish.output != _STDOUT:
        file = Path(wish.output)
        if file.exists():
            problems.append(f"--output: {file} already exists: use a different name, or remove it")
        elif not file.absolute().parent.is_dir():
            problems.append(f"--output: no such folder: {file.absolute().parent}")
    return problems


def _drafts(wish: Wish, err: Console) -> list[Draft]:
    kinds = {
        **dict.fromkeys(wish.k6_testruns, SourceKind.K6_TESTRUN),
        **dict.fromkeys(wish.locust_tests, SourceKind.LOCUST_TEST),
    }
    wanted = Wanted(
        err,
        # A path below the path of a target must not begin with two slashes.
        url=wish.url.rstrip("/"),
        name=wish.name,
        writes=wish.writes,
        everything=wish.everything,
        top=wish.top,
        kinds=kinds,
    )
    return drafts_of([*wish.files, *kinds], wanted, starter_draft(name=wish.name, url=wish.url))


def too_large(drafts: Sequence[Draft], text: str) -> bool:
    """Whether a file, or a spec in it, is larger than an API server accepts."""
    specs = (json.dumps(manifest(one)["spec"], ensure_ascii=False) for one in drafts)
    return len(text.encode()) > MAX_FILE or any(len(one.encode()) > MAX_SPEC_BYTES for one in specs)


def unlike(drafts: Sequence[Draft], text: str) -> str | None:
    """What ``perfrun validate`` would report about a text, or where it is read differently from
    what the drafts mean; None: neither."""
    problems = [one.text for it in parse_manifests("it", text.encode()) for one in it.problems]
    if problems:
        return f"the generated test is not valid: {problems[0]}"
    read = [document.value for document in load_documents(text)]
    meant = [manifest(draft) for draft in drafts]
    if len(read) != len(meant):
        return f"{len(meant)} tests were generated, but {len(read)} were read back"
    found = (_difference(one, other, "") for one, other in zip(meant, read, strict=True))
    return next((one for one in found if one is not None), None)


def _difference(meant: object, read: object, field: str) -> str | None:
    """Where two JSON values differ: 1 is neither true nor a string."""
    if isinstance(meant, dict) and isinstance(read, dict) and list(meant) == list(read):
        below = ((one, read[key], f"{field}.{key}".lstrip(".")) for key, one in meant.items())
    elif isinstance(meant, list) and isinstance(read, list) and len(meant) == len(read):
        pairs = enumerate(zip(meant, read, strict=True))
        below = ((one, other, f"{field}[{index}]") for index, (one, other) in pairs)
    elif type(meant) is type(read) and meant == read:
        return None
    else:
        return f"{field}: {str(meant)[:100]!r} would be read as {str(read)[:100]!r}"
    return next((one for it in below if (one := _difference(*it)) is not None), None)


def _write(wish: Wish, text: str, drafts: list[Draft], out: Output, err: Console) -> Exit:
    if wish.output == _STDOUT:
        out.write_document(text)
        return Exit.OK
    try:
        with Path(wish.output).open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        print_line(err, f"--output: {wish.output}: cannot be written: {error.strerror}")
        return Exit.ERROR
    for draft in drafts:
        for note in draft.notes:
            print_line(err, one_line(note))
    print_line(err, f"{wish.output}: written. Review it, then run: perfrun validate {wish.output}")
    return Exit.OK


def starter_draft(*, name: str, url: str) -> Draft:
    """A single step for ``url``: its path and query become those of the step."""
    parts = urlsplit(url or DEFAULT_URL)
    base = f"{parts.scheme}://{parts.netloc}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    step = StepDraft(name="get", path=path_template([path]))
    scenarios = (ScenarioDraft("read", (step,), 1),)
    return Draft(
        name=name or (slug(parts.hostname or "", 40) if url else "") or "first-test",
        url=base,
        scenarios=scenarios,
        load=steady(scenarios),
        notes=(
            "A first test. To start from what you already have: perfrun init FILE (an OpenAPI "
            "document, a recording, a Postman collection, a JMeter plan, an access log).",
        ),
        target_notes=() if url else ("CHANGE THIS: the service to test.",),
        scenario_notes=(
            "What a user does: steps in order. Several scenarios are chosen by weight. $(...) "
            "generates data: path: /items/$(int(1, 100)). More: docs/reference/templates.md.",
        ),
    )
