"""``perfrun init`` as a command: options, files, and what it says."""

import io
import json
from pathlib import Path

import pytest

from perfrun.cli.init.command import Wish, init_test
from perfrun.cli.init.draft import LoadDraft
from perfrun.cli.init.load import as_logged, steady
from perfrun.cli.init.write import write_drafts
from perfrun.cli.terminal.exits import Exit
from perfrun.cli.terminal.streams import Output
from perfrun.local.files.manifests import parse_manifests, read_manifests
from tests.unit.cli.init.given import (
    DATA,
    document,
    get,
    jmx_group,
    jmx_plan,
    jmx_sampler,
    openapi,
    postman_item,
    quiet,
)
from tests.unit.cli.init.logs.test_access_log import draft as log_draft
from tests.unit.cli.init.logs.test_access_log import line

METHODS = ("GET", "PUT", "DELETE")
WRITING_PLAN = jmx_plan(jmx_group(*(jmx_sampler(one.lower(), method=one) for one in METHODS)))
PETS, RECORDING = str(DATA / "petstore.yaml"), str(DATA / "shop.har")


def made(**wish) -> tuple[Exit, str, str]:
    stdout = io.StringIO()
    console, said = quiet()
    code = init_test(Wish(**wish), Output(stdout, "standard output"), console)
    return code, stdout.getvalue(), said.getvalue()


def test_a_starter_without_any_question():
    code, text, said = made()
    assert (code, said) == (Exit.OK, "")
    (manifest,) = parse_manifests("f", text.encode())
    assert manifest.warnings == manifest.problems == ()
    assert manifest.test.metadata.name == "first-test"
    assert "# CHANGE THIS" in text


def test_a_starter_for_a_url_keeps_its_path_and_query_in_the_step():
    _, text, _ = made(url="https://shop.example/api/items?page=1", name="mine")
    (manifest,) = parse_manifests("f", text.encode())
    assert manifest.test.metadata.name == "mine"
    assert manifest.test.spec.target.http.url == "https://shop.example"
    assert manifest.test.spec.scenarios[0].steps[0].http.path == "/api/items?page=1"


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"files": [PETS, RECORDING]}, "yaml is an OpenAPI document, and "),
        ({"files": [PETS, RECORDING]}, "is a HAR recording: a test has the requests of one"),
        ({"url": "shop:8080"}, "--url: 'shop:8080' is not a URL"),
        ({"url": "http://joe:pw@shop"}, "without user, password"),
        ({"url": "http://[::1"}, "is not a URL"),
        ({"url": "http://shop:0"}, "is not a URL"),
        ({"url": "http://shop?x=1", "files": ["b"]}, "so it must not have a query"),
        ({"name": "Not A Name"}, "--name: 'Not A Name' is not a valid name"),
        ({"name": "x" * 41}, "at most 40"),
        ({"output": "/tmp"}, "already exists"),
        ({"output": "/nope/x/f.yaml"}, "no such folder: /nope/x"),
        ({"files": ["/nope"]}, "/nope: cannot be read: No such file or directory"),
        ({"files": ["/tmp"]}, "/tmp: cannot be read: Is a directory"),
    ],
)
def test_what_is_wrong_is_a_sentence_and_writes_nothing(wish, sentence):
    code, text, said = made(**wish)
    assert (code, text) == (Exit.USAGE, "")
    assert sentence in said


def test_an_environment_of_postman_gives_values_to_its_collection(tmp_path: Path):
    shop, staging = tmp_path / "shop.json", tmp_path / "staging.json"
    url = "{{base}}/items/{{id}}?key={{code}}"
    variables = [{"key": "base", "value": "http://old"}, {"key": "id", "value": "7"}]
    shop.write_text(json.dumps({"item": [postman_item(url=url)], "variable": variables}))
    values = [
        {"key": "base", "value": "https://staging.example", "enabled": True},
        {"key": "code", "value": "abc", "type": "secret", "enabled": True},
        {"key": "id", "value": "9", "enabled": False},
    ]
    scope = {"name": "staging", "_postman_variable_scope": "environment", "values": values}
    staging.write_text(json.dumps(scope))
    for files in ([shop, staging], [staging, shop]):
        code, text, _ = made(files=[str(one) for one in files])
        (manifest,) = parse_manifests("f", text.encode())
        assert code is Exit.OK
        assert manifest.test.spec.target.http.url == "https://staging.example"
        assert manifest.test.spec.variables == {"id": "7"}
        assert "abc" not in text
    code, _, said = made(files=[str(staging)])
    assert code is Exit.USAGE
    assert "staging.json: is a Postman environment: give the collection" in said


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("targets", "GET http://shop/a\n\nPUT http://shop/b\n\nDELETE http://shop/c\n"),
        ("plan.jmx", WRITING_PLAN.decode()),
        ("shop.json", json.dumps({"item": [postman_item(method=one) for one in METHODS]})),
    ],
)
def test_every_importer_leaves_out_what_changes_data_unless_it_is_wanted(tmp_path, name, text):
    file = tmp_path / name
    file.write_text(text)
    _, text, _ = made(files=[str(file)])
    assert "# Left out: 2 requests with methods that change data (--writes)." in text
    assert ("PUT" in text, "DELETE" in text) == (False, False)
    _, text, _ = made(files=[str(file)], writes=True)
    assert ("PUT" in text, "DELETE" in text, "Left out" in text) == (True, True, False)


def test_a_file_is_new_and_is_read_back(tmp_path: Path):
    file = tmp_path / "api.yaml"
    code, text, said = made(files=[str(DATA / "petstore.yaml")], output=str(file))
    assert (code, text) == (Exit.OK, "")
    (manifest,) = read_manifests([str(file)])
    assert manifest.problems == manifest.warnings == ()
    assert said.splitlines()[-1] == (
        f"{file}: written. Review it, then run: perfrun validate {file}"
    )
    before = file.read_bytes()
    assert made(output=str(file))[0] is Exit.USAGE
    assert file.read_bytes() == before


def test_the_url_of_the_command_line_goes_first():
    _, text, _ = made(files=[str(DATA / "petstore.yaml")], url="http://127.0.0.1:9/v1/")
    (manifest,) = parse_manifests("f", text.encode())
    assert manifest.test.spec.target.http.url == "http://127.0.0.1:9/v1"


def test_comments_cannot_become_yaml():
    evil = "x\nkind: Secret\u2028spec: {}\r- a: b #"
    draft = openapi(document({"/a": get(summary=evil, operationId=evil)}, info={"title": evil}))
    text = write_drafts([draft], evil)
    (manifest,) = parse_manifests("f", text.encode())
    assert manifest.problems == ()
    lines = text.split("\n")
    assert not any(one.startswith(("kind: Secret", "- a")) for one in lines)


def warnings(draft) -> tuple[str, ...]:
    (manifest,) = parse_manifests("f", write_drafts([draft], "f").encode())
    assert manifest.problems == ()
    return tuple(one.text for one in manifest.warnings)


@pytest.mark.parametrize("number", [1, 2, 1000])
def test_a_load_is_long_enough_for_its_objectives(number):
    rare = [line("/rare", "POST", 201)]
    texts = [*[line(second=n % 60) for n in range(number)], *rare]
    assert warnings(log_draft(*texts, writes=True)) == ()


def test_a_rate_has_an_end():
    scenarios = log_draft(line()).scenarios
    for load in (as_logged(scenarios, 1e9, 2e9), as_logged(scenarios, 9e4, 1e9), steady(scenarios)):
        assert isinstance(load, LoadDraft)
        draft = log_draft(line())
        changed = type(draft)(draft.name, draft.url, draft.scenarios, load)
        assert warnings(changed) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '{"openapi": "3.0.0",\n "paths" {}}',
            "2:10: error: not JSON: a colon is expected here, between a name and its value",
        ),
        (
            "openapi: 3.0.0\npaths:\n\t/a: {}\n",
            "3:1: error: a tab: YAML is indented with spaces only, replace the tab",
        ),
    ],
)
def test_a_source_that_cannot_be_read_is_told_with_line_and_column(
    tmp_path: Path, text: str, said: str
):
    file = tmp_path / "api.yaml"
    file.write_text(text)
    code, _, told = made(files=[str(file)])
    assert (code, told) == (Exit.USAGE, f"{file}:{said}\n")


def test_a_test_that_no_cluster_takes_is_not_written(tmp_path: Path):
    body = {"mode": "raw", "raw": "x" * 60_000}
    items = [postman_item(f"r{number}", method="POST", body=body) for number in range(5)]
    file = tmp_path / "c.json"
    file.write_text(json.dumps({"info": {}, "item": items}))
    code, text, said = made(files=[str(file)], writes=True)
    assert (code, text) == (Exit.USAGE, "")
    assert (
        "the test is larger than 256 KiB, or the file than 1024 KiB: use a smaller source" in said
    )


def test_load_and_objectives_of_other_files_amend_a_test(tmp_path: Path):
    objectives = tmp_path / "slo.yaml"
    objectives.write_text(
        "apiVersion: openslo/v1\nkind: SLO\nmetadata: {name: a}\nspec:\n"
        "  indicator: {spec: {ratioMetric: {good: {query: http_requests}}}}\n"
        "  objectives: [{target: 0.99}]\n"
    )
    for files in ([PETS, str(objectives)], [str(objectives), PETS], [str(objectives)]):
        code, text, said = made(files=files)
        assert (code, said) == (Exit.OK, "")
        (manifest,) = parse_manifests("f", text.encode())
        (slo,) = manifest.test.spec.slos
        assert (slo.metric, slo.min) == ("successRate", "99%")
        assert manifest.test.metadata.name == ("pet-shop" if PETS in files else "first-test")
