"""The command and the environment of a benchmark or a script, with their templates replaced."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from perfrun.api import template
from perfrun.api.test.commands.benchmark import RESULTS_ENV, RESULTS_NAME, BenchmarkTarget
from perfrun.api.test.commands.script import ScriptTarget
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.problems import Problem, field_path, suggestion


class Rendered(NamedTuple):
    """What the launcher starts."""

    argv: list[str]
    """The whole command of a benchmark; more arguments of a script's tool."""
    env: dict[str, str]
    """Variables whose values are in the test, without those from Secrets and ConfigMaps."""
    hidden: list[str]
    """Names of variables whose values come from Secrets."""


def rendered(target: BenchmarkTarget, variables: Mapping[str, str], results: str) -> Rendered:
    """``results`` is the file that the command is to write."""
    command = _rendered(target.command, target, {**variables, RESULTS_NAME: results})
    return command._replace(env={**command.env, RESULTS_ENV: results})


def rendered_script(target: ScriptTarget, variables: Mapping[str, str]) -> Rendered:
    """The arguments that the test gives to the script's tool, and their environment."""
    return _rendered(target.args, target, variables)


def _rendered(
    argv: list[str], target: BenchmarkTarget | ScriptTarget, known: Mapping[str, str]
) -> Rendered:
    return Rendered(
        argv=[_filled(argument, known) for argument in argv],
        env={one.name: _filled(one.value, known) for one in target.env if one.value is not None},
        hidden=[
            one.name
            for one in target.env
            if one.value_from is not None and one.value_from.secret_key_ref is not None
        ],
    )


def command_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Templates that cannot be parsed, and names that are not defined."""
    target = spec.target.benchmark or spec.target.the_script
    own = {RESULTS_NAME} if isinstance(target, BenchmarkTarget) else set()
    known = {*spec.variables, *own}
    if own & spec.variables.keys():
        yield Problem(
            f"spec.variables.{RESULTS_NAME}",
            f"$({RESULTS_NAME}) is reserved for the file with the results: use another name",
        )
    for where, text in texts(target):
        try:
            parts = template.parse(text)
        except ValueError as error:
            yield Problem(where, str(error))
            continue
        for name in sorted(template.references(parts) - known):
            others = f"; use one of: {', '.join(sorted(known))}" if known else ""
            hint = suggestion(name, known) or others
            yield Problem(where, f"$({name}) is not a variable{hint}")
        if any(isinstance(part, template.Call) for part in parts):
            yield Problem(where, "template functions cannot be used here, only names")


def texts(target: BenchmarkTarget | ScriptTarget) -> Iterator[tuple[str, str]]:
    """The templates of a command and its environment, each behind its place."""
    if isinstance(target, BenchmarkTarget):
        kind, field, argv = "benchmark", "command", target.command
    else:
        kind, field, argv = "script", "args", target.args
    where: list[str | int] = ["spec", "target", kind]
    for index, argument in enumerate(argv):
        yield field_path([*where, field, index]), argument
    for index, one in enumerate(target.env):
        if one.value is not None:
            yield field_path([*where, "env", index, "value"]), one.value


def _filled(text: str, known: Mapping[str, str]) -> str:
    return "".join(
        part.text if isinstance(part, template.Literal) else known[part.name]
        for part in template.parse(text)
        if not isinstance(part, template.Call)
    )
