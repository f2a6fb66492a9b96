"""The command line: ``python3 -m tests.cluster up``, from the repository's root."""

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from tests.cluster import apt, cluster, costs, gobuild, tools
from tests.cluster.commands import run
from tests.cluster.errors import ClusterError, Unsupported
from tests.cluster.handle import Cluster
from tests.cluster.paths import REPO
from tests.cluster.progress import say


def _exports(running: Cluster) -> str:
    state = running.kubeconfig.parent
    variables = {
        "KUBECONFIG": str(running.kubeconfig),
        "PERFRUN_BASE_IMAGE": running.base_image,
        "PERFRUN_TARGET_IMAGE": running.target_image,
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join([*lines, f"export PATH={shlex.quote(str(state / 'bin'))}:$PATH"])


def _up(_: argparse.Namespace) -> None:
    running = cluster.up()
    say(f"the cluster is up: {running.url}; export KUBECONFIG={running.kubeconfig}")


def _down(_: argparse.Namespace) -> None:
    cluster.down()


def _forget(_: argparse.Namespace) -> None:
    cluster.forget()


def _status(_: argparse.Namespace) -> None:
    running = cluster.running()
    print(f"up: {running.url}, node {running.node_ip}")
    print(running.kubectl("get", "nodes,pods", "--all-namespaces", "-o", "wide").stdout, end="")


def _build(options: argparse.Namespace) -> None:
    cluster.check_machine()
    cluster.prepare(metrics=options.e2e)
    if options.e2e:
        apt.ensure(apt.E2E_PACKAGES)
    if options.scripts:
        for name in tools.SCRIPTS:
            tools.program(name)
    say("all is in the cache")


def _costs(options: argparse.Namespace) -> None:
    if options.remember:
        costs.remember()
    print(costs.printed())


def _env(_: argparse.Namespace) -> None:
    print(_exports(cluster.running()))


def _path(_: argparse.Namespace) -> None:
    print(f"{gobuild.binary('kubectl').parent}:{gobuild.binary('helm').parent}")


def _tool(options: argparse.Namespace) -> None:
    print(tools.image(options.name) if options.image else tools.program(options.name))


def _chart_readme(options: argparse.Namespace) -> None:
    gobuild.ensure([gobuild.HELM_DOCS])
    words = ("--sort-values-order=file", "--chart-search-root=charts/perfrun", "--dry-run")
    made = run([gobuild.binary("helm-docs"), *words], cwd=REPO).strip() + "\n"
    readme = REPO / "charts/perfrun/README.md"
    if not options.check:
        readme.write_text(made)
    elif not readme.exists() or readme.read_text() != made:
        raise ClusterError(f"{readme} differs from the chart's values: run `make crds`")


def _image(options: argparse.Namespace) -> None:
    pairs = [argument.partition("=") for argument in options.build_arg]
    if unset := [name for name, equals, _ in pairs if not equals]:
        raise ClusterError(f"--build-arg {unset[0]}: write {unset[0]}=VALUE")
    arguments = {name: value for name, _, value in pairs}
    print(
        cluster.running().build_image(
            options.name, options.context, options.dockerfile, arguments, options.target
        )
    )


def _load(options: argparse.Namespace) -> None:
    for reference in cluster.running().load_image(options.archive):
        print(reference)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m tests.cluster", description=cluster.__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, act: Callable[[argparse.Namespace], None], text: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text)
        command.set_defaults(act=act)
        return command

    add("up", _up, "start the cluster, or repair it; nothing to do when it is well")
    add("down", _down, "end it and remove its traces; the cache stays")
    add("forget", _forget, "remove the cache of binaries and images")
    add("status", _status, "say whether it is up and well; exit code 1 if not")
    build = add("build", _build, "fill the cache without starting anything")
    build.add_argument("--e2e", action="store_true", help="install the end-to-end tools too")
    build.add_argument("--scripts", action="store_true", help="install k6, Locust and JMeter too")
    cost = add("costs", _costs, "print what each part has cost to make on this machine")
    cost.add_argument("--remember", action="store_true", help="write it to costs.toml")
    add("env", _env, 'print variables: eval "$(python3 -m tests.cluster env)"')
    add("path", _path, "print the folders of kubectl and helm, as a PATH; no cluster needed")
    tool = add("tool", _tool, "print the program of a tool, installed where it was not")
    tool.add_argument("name", choices=tools.SCRIPTS)
    tool.add_argument("--image", action="store_true", help="its image instead, given to the node")
    readme = add("chart-readme", _chart_readme, "make charts/perfrun/README.md from its values")
    readme.add_argument("--check", action="store_true", help="write nothing; exit 1 on a drift")
    image = add("image", _image, "build a Dockerfile and give the image to the node")
    image.add_argument("name", help="the reference that pods use, such as perfrun:dev")
    image.add_argument("context", type=Path)
    image.add_argument("--dockerfile", type=Path, help="default: CONTEXT/Dockerfile")
    image.add_argument("--target", help="the stage to build")
    image.add_argument(
        "--build-arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="BASE is set to the base image if the Dockerfile asks for it",
    )
    load = add("load", _load, "give the images of a docker or OCI archive to the node")
    load.add_argument("archive", type=Path)
    return parser


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 done, 1 failed, 2 not possible on this machine, 130 interrupted."""
    # A time limit's SIGTERM cleans up as Ctrl-C does.
    signal.signal(signal.SIGTERM, _interrupt)
    options = _parser().parse_args(arguments)
    try:
        options.act(options)
    except Unsupported as error:
        print(error, file=sys.stderr)
        return 2
    except (ClusterError, tools.MissingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; `python3 -m tests.cluster down` cleans up", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader went away, as `| head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
