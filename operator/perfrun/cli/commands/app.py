"""What the commands share: the application, common arguments, and how each command ends."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer
from typer.core import TyperGroup
from typing_extensions import override

from perfrun import __version__
from perfrun.cli.completion import Shell
from perfrun.cli.terminal.exits import Exit, FailOn, worst
from perfrun.cli.terminal.streams import Output, TextForm, console, print_line

if TYPE_CHECKING:
    from perfrun.cli.cluster.shell import Cluster

LOCAL = "On this machine"
CLUSTER = "In a cluster"
REPORTS = "About finished runs"
OTHER = "About perfrun"
_PANELS = (LOCAL, CLUSTER, REPORTS, OTHER)
"""Groups of commands in the help, in this order; ungrouped commands come last."""
_FIRST = ("quick", "run")


class _Grouped(TyperGroup):
    """The commands by panel, the most common first, in whatever order modules are loaded."""

    @override
    def list_commands(self, ctx: object) -> list[str]:
        def place(name: str) -> tuple[int, int]:
            panel = getattr(self.commands[name], "rich_help_panel", None)
            group = _PANELS.index(panel) if panel in _PANELS else len(_PANELS)
            return group, _FIRST.index(name) if name in _FIRST else len(_FIRST)

        return sorted(self.commands, key=place)


app = typer.Typer(
    cls=_Grouped,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    help=(
        "Performance tests as Kubernetes objects: run them on this machine, without a "
        "cluster, or manage those of a cluster."
    ),
)


_Named = TypeVar("_Named")

COMPLETE_VARIABLE = "_PERFRUN_COMPLETE"
"""Set in the environment by a shell that asks for completions."""


def named(value: _Named) -> _Named:
    """For an option or an argument that is the name of a file, or of several: a shell passes an
    empty one where a variable is not set, and the system takes that for the current folder.
    """
    names: list[object] = value if isinstance(value, list) else [value]
    if "" in names:
        raise typer.BadParameter("the name is empty")
    if names.count("-") > 1:
        raise typer.BadParameter("- is given twice, but standard input can be read only once")
    return value


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE",
        help="Manifests: files, folders with *.yaml files, or - for stdin.",
        callback=named,
    ),
]


def out_option(option: str, text: str) -> Any:
    """An option that names what is written."""
    return typer.Option(option, metavar="OUT", help=text, callback=named)


JsonFile = Annotated[
    str | None,
    out_option(
        "--json", "Write the PerfRun. For this and the options below, - is standard output."
    ),
]
ResultFile = Annotated[str | None, out_option("--result", "Write everything that was measured.")]
HtmlFile = Annotated[
    str | None,
    out_option(
        "--html",
        "Write a self-contained HTML page; into a folder (DIR/) a page for each run.",
    ),
]
JunitFile = Annotated[str | None, out_option("--junit", "Write JUnit XML for a CI system.")]
MarkdownFile = Annotated[str | None, out_option("--md", "Write a summary in Markdown.")]
CsvFile = Annotated[
    str | None,
    out_option("--csv", "Write the steps as CSV; into a folder (DIR/) steps.csv and timeline.csv."),
]
Labels = Annotated[
    str | None,
    typer.Option(
        "--selector",
        "-l",
        metavar="LABELS",
        help=("Only PerfTests with these labels, as in type=load,!slow."),
    ),
]
TextOutput = Annotated[
    TextForm, typer.Option("--output", "-o", help=("Format: text, json or yaml."))
]
Strict = Annotated[bool, typer.Option("--strict", help="Short for --fail-on inconclusive.")]
FailOnVerdict = Annotated[
    FailOn | None,
    typer.Option(
        "--fail-on",
        metavar="VERDICT",
        help="Exit with 1 for this verdict or a worse one: inconclusive, warn or fail. "
        "With error: never exit with 1.",
    ),
]
Variables = Annotated[
    list[str] | None,
    typer.Option("--var", metavar="NAME=VALUE", help="Another value of a variable of the test."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Another load, as in load.scale=0.1, load.open.rate=50/s or load.workers=2.",
    ),
]
RunLabels = Annotated[
    list[str] | None,
    typer.Option("--label", metavar="NAME=VALUE", help="A label of the run, for its reports."),
]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Default: the context's.")]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig.")]


def outputs() -> tuple[Output, Output]:
    """Standard output and standard error."""
    return Output(sys.stdout, "standard output"), Output(sys.stderr, "standard error")


def fail_on_of(fail_on: FailOn | None, *, strict: bool) -> FailOn | None:
    """The combined meaning of ``--fail-on`` and ``--strict``."""
    return FailOn.INCONCLUSIVE if strict else fail_on


def connected(context: str | None, namespace: str | None) -> "Cluster":
    """The cluster that kubectl would use. Raises KubeError, even without a client for it."""
    from perfrun.kube.errors import KubeError

    try:
        from perfrun.cli.cluster.shell import Cluster
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("aiohttp", "kubernetes", "urllib3"):
            raise
        install = "pip install '.[operator]' in a clone of perfrun"
        raise KubeError(0, f"the Kubernetes client is not installed: run {install}") from error
    return Cluster(context, namespace)


def leave(code: Exit, out: Output, err: Output) -> NoReturn:
    """End with ``code``, or with Error if not everything could be printed."""
    if out.error is not None:
        print_line(console(err), f"{out.name}: cannot be written: {out.error.strerror}")
        code = worst((code, Exit.ERROR))
    raise typer.Exit(code)


@app.command(rich_help_panel=OTHER)
def version() -> None:
    """Print the version."""
    out, err = outputs()
    print_line(console(out), f"perfrun {__version__}")
    leave(Exit.OK, out, err)


def _version(wanted: bool) -> None:
    if wanted:
        version()


@app.command(rich_help_panel=OTHER)
def completion(
    shell: Annotated[Shell, typer.Argument(help="Shell to write the completion for.")],
) -> None:
    """Print a script that lets a shell complete commands, options and names of the cluster.

    For this session: source <(perfrun completion bash)
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    out, err = outputs()
    script = get_completion_script(
        prog_name="perfrun", complete_var=COMPLETE_VARIABLE, shell=shell.value
    )
    print_line(console(out), script)
    leave(Exit.OK, out, err)


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Only the options that come before a command."""
