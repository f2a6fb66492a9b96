"""The options of ``perfrun init`` for the resources of other operators."""

import pytest
from typer.testing import CliRunner

from perfrun.cli.commands import app
from perfrun.cli.terminal.exits import Exit
from perfrun.local.files.manifests import parse_manifests
from tests.unit.cli.init.peers.test_k6_testrun import WHOLE
from tests.unit.cli.init.peers.test_locust_test import V2
from tests.unit.cli.init.test_command import made


@pytest.mark.parametrize(
    ("option", "text", "tool"), [("k6_testruns", WHOLE, "k6"), ("locust_tests", V2, "Locust")]
)
def test_a_file_is_what_its_option_says(tmp_path, option, text, tool):
    file = tmp_path / "peer.yaml"
    file.write_text(text)
    code, written, said = made(**{option: [str(file)]})
    assert (code, said) == (Exit.OK, "")
    (manifest,) = parse_manifests("f", written.encode())
    assert manifest.problems == ()
    assert manifest.test.spec.target.script.tool == tool
    assert "# Not carried over: " in written


def test_a_file_of_another_kind_is_refused(tmp_path):
    file = tmp_path / "peer.yaml"
    file.write_text(V2)
    code, written, said = made(k6_testruns=[str(file)])
    assert (code, written) == (Exit.USAGE, "")
    assert "has no TestRun of k6.io" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--k6-testrun", ""], "'--k6-testrun': the name is empty"),
        (["--locust-test", ""], "'--locust-test': the name is empty"),
        (["-", "--k6-testrun", "-"], "- is given twice"),
        (["--k6-testrun", "-", "--locust-test", "-"], "- is given twice"),
    ],
)
def test_the_names_of_files_are_checked_as_those_of_the_arguments_are(arguments, sentence):
    done = CliRunner().invoke(app, ["init", *arguments], env={"COLUMNS": "120"})
    assert done.exit_code == 2
    assert sentence in done.output
