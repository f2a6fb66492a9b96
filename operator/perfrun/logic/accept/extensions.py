"""What can be wrong with the server and the options of an extension; the rest only it knows."""

from collections.abc import Iterator

from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.accept.targets import url_problem
from perfrun.logic.problems import Problem, field_path

_WHERE = ["spec", "target", "extension"]


def address_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """An address that no host or port can be read from."""
    yield from url_problem(
        field_path([*_WHERE, "address"]), f"//{spec.target.the_extension.address}"
    )


def option_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Options that are given twice, or as if they could differ between iterations."""
    target = spec.target.the_extension
    for name in target.options.keys() & target.options_from.keys():
        yield Problem(
            field_path([*_WHERE, "optionsFrom", name]), "is also set in options: remove one of them"
        )
    for name, text in target.options.items():
        if "$(" in text:
            yield Problem(
                field_path([*_WHERE, "options", name]),
                "contains a template: options are the same for the whole run; move values that "
                "differ between iterations into the steps",
            )
