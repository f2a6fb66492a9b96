"""The arguments of a tool, without those that perfrun sets itself."""

from collections.abc import Container, Iterator, Mapping, Sequence

from perfrun.api.test.commands.script import ToolName
from perfrun.cli.init.draft import NotCarried
from perfrun.cli.init.texts import literal, one_line

_Reasons = Mapping[str, str]
_OUT = "perfrun reads the samples itself; its own reports and exports: docs/how-to/reports.md"
_SHARE = "perfrun shares the load among its workers"
_START = "perfrun starts all workers at one moment"
_SET = "perfrun sets it itself"
_WITH_VALUE: Mapping[ToolName, _Reasons] = {
    "k6": {
        "-o": _OUT,
        "--out": _OUT,
        "--summary-export": _OUT,
        "--summary-mode": _OUT,
        "--address": _SET,
        "-a": _SET,
        "--config": _SET,
        "-c": _SET,
        "--execution-segment": _SHARE,
        "--execution-segment-sequence": _SHARE,
        "--system-tags": "perfrun reads the tags that it needs",
        "--traces-output": _OUT,
        "--log-output": _SET,
        "--log-format": _SET,
    },
    "Locust": {
        "--master-host": _SHARE,
        "--master-port": _SHARE,
        "--master-bind-host": _SHARE,
        "--master-bind-port": _SHARE,
        "--expect-workers": _SHARE,
        "--expect-workers-max-wait": _SHARE,
        "--processes": _SHARE,
        "--autoquit": "the run ends with the load",
        "-f": "see entry",
        "--locustfile": "see entry",
        "--exit-code-on-error": "perfrun judges errors by objectives",
        "--csv": _OUT,
        "--html": _OUT,
        "--json-file": _OUT,
        "--web-host": "there is no web page of Locust: perfrun watch shows the run",
        "--web-port": "there is no web page of Locust: perfrun watch shows the run",
    },
}
_ALONE: Mapping[ToolName, _Reasons] = {
    "k6": {
        "--paused": _START,
        "-p": _START,
        "--no-thresholds": "see target.script.thresholds",
        "--no-summary": _OUT,
        "--no-setup": "perfrun runs the setup once",
        "--no-teardown": "perfrun runs the teardown once",
        "--linger": "the run ends with the load",
        "-l": "the run ends with the load",
        "--quiet": "what k6 prints is not read",
        "-q": "what k6 prints is not read",
        "--no-color": "what k6 prints is not read",
        "--no-usage-report": _SET,
    },
    "Locust": {
        "--master": _SHARE,
        "--worker": _SHARE,
        "--slave": _SHARE,
        "--enable-rebalancing": _SHARE,
        "--headless": _SET,
        "--headful": _SET,
        "--autostart": _START,
        "--only-summary": _OUT,
        "--print-stats": _OUT,
        "--json": _OUT,
        "--csv-full-history": _OUT,
        "--reset-stats": _OUT,
        "--version": "it runs nothing",
        **dict.fromkeys(
            {"-l", "--list", "--show-task-ratio", "--show-task-ratio-json", "-h", "--help", "-V"},
            "it runs nothing",
        ),
    },
}


def kept_arguments(
    tool: ToolName, args: Sequence[str], not_carried: NotCarried, line: int
) -> list[str]:
    """The arguments that a test may have; the others are named."""
    kept: list[str] = []
    for word, flag, value in _flags(args, _WITH_VALUE[tool]):
        reason = _WITH_VALUE[tool].get(flag) or _ALONE[tool].get(flag)
        if reason is None:
            kept.append(literal(word))
        else:
            shown = one_line(f"{flag} {value}".strip(), 80)
            not_carried.add(f"the argument {shown}: {reason}", line)
    return kept


def value_of(args: Sequence[str], *flags: str) -> str:
    """The value of a flag, ``--flag value`` or ``--flag=value``; empty without it."""
    return next((value for _, flag, value in _flags(args, flags) if flag in flags and value), "")


def without(args: Sequence[str], *flags: str) -> list[str]:
    """The arguments without a flag that has a value."""
    return [word for word, flag, _ in _flags(args, flags) if flag not in flags]


def _flags(args: Sequence[str], valued: Container[str]) -> Iterator[tuple[str, str, str]]:
    """Each argument, its flag and its value. Where the flag is one of ``valued``, the value may be
    the next argument, which then is none of its own."""
    rest = iter(args)
    for word in rest:
        flag, equals, value = word.partition("=")
        if word[:1] == "-" and word[:2] != "--" and len(flag) > 2:
            flag, equals, value = word[:2], word[:2], word[2:]  # as in -d5m
        yield word, flag, value if equals or flag not in valued else next(rest, "")
