"""``perfrun quick``: which manifest the options mean, and what contradicts itself."""

import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from perfrun.api.test.perftest import PerfTest
from perfrun.cli.commands import app
from perfrun.cli.quick import QuickOptions, quick_test, read_body
from perfrun.local.files.strictyaml import load_documents
from perfrun.local.values import find_values

URL = "http://127.0.0.1:8000"
REPO = Path(__file__).parents[3]
PAGE = REPO / "docs" / "how-to" / "quick.md"


def spec(**options) -> dict:
    return quick_test(QuickOptions(options.pop("url", URL), **options)).document["spec"]


@pytest.mark.parametrize(
    ("options", "load"),
    [
        ({}, {"burst": {"requests": 200, "concurrency": 50}}),
        ({"requests": 1000}, {"burst": {"requests": 1000, "concurrency": 50}}),
        ({"requests": 10}, {"burst": {"requests": 10, "concurrency": 10}}),
        ({"concurrency": 500}, {"burst": {"requests": 500, "concurrency": 500}}),
        ({"concurrency": 5}, {"burst": {"requests": 200, "concurrency": 5}}),
        ({"requests": 9, "concurrency": 3}, {"burst": {"requests": 9, "concurrency": 3}}),
        ({"duration": "30"}, {"closed": {"users": 50, "duration": "30s"}}),
        ({"duration": "1m", "concurrency": 2}, {"closed": {"users": 2, "duration": "1m"}}),
        ({"rate": "500"}, {"open": {"rate": "500/s", "duration": "10s"}}),
        ({"rate": "30/m", "duration": "2m"}, {"open": {"rate": "30/m", "duration": "2m"}}),
        (
            {"rate": "0.5", "concurrency": 9},
            {"open": {"rate": "0.5/s", "duration": "10s", "maxInFlight": 9}},
        ),
        ({"workers": 2}, {"workers": 2, "burst": {"requests": 200, "concurrency": 50}}),
        ({"workers": 60}, {"workers": 60, "burst": {"requests": 200, "concurrency": 60}}),
        ({"workers": 300}, {"workers": 300, "burst": {"requests": 300, "concurrency": 300}}),
        ({"workers": 60, "duration": "1s"}, {"workers": 60, "closed": {"users": 60, "duration": "1s"}}),
    ],
)  # fmt: skip
def test_which_load_the_options_mean(options, load):
    assert spec(**options)["load"] == load


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"requests": 5, "rate": "5"}, "-n and -r cannot be combined.*-r 100 -d 30s.*-n 1000 -c 50"),
        ({"requests": 5, "duration": "5s"}, "-n and -d cannot be combined.*-c works with both"),
        ({"requests": 5, "concurrency": 6}, "-c 6 is more than -n 5: raise -n, or lower -c"),
        ({"requests": 5, "workers": 6}, "-n 5 is less than -w 6"),
        ({"concurrency": 5, "workers": 6}, "-c 5 is less than -w 6"),
        ({"duration": "1s", "concurrency": 5, "workers": 6}, "-c 5 is less than -w 6"),
        ({"headers": ["Accept"]}, "-H 'Accept': write a name, a colon and a value"),
        ({"headers": [": x"]}, "-H ': x': write a name, a colon and a value"),
        ({"expect": "2xx"}, "--expect '2xx': write statuses with commas"),
        ({"expect": ""}, "--expect '': write statuses with commas"),
        ({"slos": ["latency.p95"]}, "--slo 'latency.p95': write a metric, < or > and a limit"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_with_what_goes_with_what(options, told):
    with pytest.raises(ValueError, match=told):
        spec(**options)


@pytest.mark.parametrize(
    ("url", "target", "path"),
    [
        ("localhost:8000", "http://localhost:8000", None),
        ("shop/api?page=2", "http://shop/api?page=2", None),
        ("HTTPS://Shop:8443/#top", "https://Shop:8443/", None),
        ("shop/to?url=http://x", "http://shop/to?url=http://x", None),
        ("http://[::1]:80/x", "http://[::1]:80/x", None),
        ("shop/items/$(int(1, 9))", "http://shop", "/items/$(int(1, 9))"),
        ("https://shop?id=$(uuid())", "https://shop", "/?id=$(uuid())"),
    ],
)
def test_a_url_as_people_write_it(url, target, path):
    made = spec(url=url)
    assert made["target"]["http"]["url"] == target
    steps = made.get("scenarios", [{"steps": [{}]}])[0]["steps"]
    assert steps[0].get("http", {}).get("path") == path


def test_only_what_was_asked_for_is_in_the_manifest():
    assert quick_test(QuickOptions("localhost:8000")).text == (
        "apiVersion: perfrun.dev/v1alpha1\n"
        "kind: PerfTest\n"
        "metadata: {name: localhost-8000}\n"
        "spec:\n"
        "  target:\n"
        "    http: {url: 'http://localhost:8000'}\n"
        "  load:\n"
        "    burst: {requests: 200, concurrency: 50}\n"
    )


def test_a_request_with_everything():
    made = spec(
        method="put", body="{}", http2=True, insecure=True, timeout="5", expect="200, 204",
        headers=["Accept: text/html", "X-Empty:", "X-Time: 10:30"],
    )  # fmt: skip
    assert made["target"]["http"] == {
        "url": URL,
        "protocol": "HTTP/2",
        "timeout": "5s",
        "headers": [
            {"name": "Accept", "value": "text/html"},
            {"name": "X-Empty", "value": ""},
            {"name": "X-Time", "value": "10:30"},
            {"name": "Content-Type", "value": "application/json"},
        ],
        "tls": {"insecureSkipVerify": True},
    }
    step = {
        "name": "put",
        "http": {"method": "PUT", "body": "{}"},
        "expect": {"status": [200, 204]},
    }
    assert made["scenarios"] == [{"name": "default", "steps": [step]}]


@pytest.mark.parametrize(
    ("body", "headers", "types"),
    [
        ('{"a": 1}', [], ["application/json"]),
        ("[1]", [], ["application/json"]),
        ('{"a": 1}', ["content-type: text/plain"], ["text/plain"]),
        ("a=1", [], []),
        ("1", [], []),
        ("[" * 100_000, [], []),
    ],
)
def test_a_body_is_a_post_and_json_says_so(body, headers, types):
    made = spec(body=body, headers=headers)
    assert made["scenarios"][0]["steps"][0]["http"] == {"method": "POST", "body": body}
    known = made["target"]["http"].get("headers", [])
    assert [one["value"] for one in known if one["name"].lower() == "content-type"] == types


def test_objectives_in_their_order():
    slos = ["latency.p50<20ms", "throughput >= 100/s", "dropped<=0"]
    assert spec(p95="500ms", p99="1s", error_rate="1%", slos=slos)["slos"] == [
        {"metric": "latency.p95", "max": "500ms"},
        {"metric": "latency.p99", "max": "1s"},
        {"metric": "errorRate", "max": "1%"},
        {"metric": "latency.p50", "max": "20ms"},
        {"metric": "throughput", "min": "100/s"},
        {"metric": "dropped", "max": 0},
    ]


@pytest.mark.parametrize(
    "header",
    ["Authorization: tea", "Proxy-Authorization: tea", "Cookie: a=tea", "X-Api-Key: tea",
     "X-Anything: Bearer tea"],
)  # fmt: skip
def test_a_secret_header_is_sent_from_memory_and_never_written(header):
    made = quick_test(QuickOptions(URL, headers=[header], rate="5"))
    assert "tea" not in made.text
    (manifest, held) = made.manifests()
    assert manifest.test is not None
    assert held.held is not None
    values, missing = find_values(manifest.test, [held.held], None)
    assert missing == []
    assert list(values.values()) == [header.partition(": ")[2].encode()]
    (key,) = made.secrets
    assert f"generic {made.secret} --from-literal={key}=..." in next(
        made.saved_notes(Path("a.yaml"))
    )


def test_what_to_do_with_a_saved_manifest_is_told():
    made = quick_test(QuickOptions("shop?page=1&api_key=x"))
    assert list(made.saved_notes(Path("a.yaml"))) == [
        "a.yaml: written. To repeat this run: perfrun run a.yaml",
        "a.yaml: its URL contains the value of api_key: keep the file to yourself",
    ]


def test_two_secret_headers_have_a_key_each():
    made = quick_test(QuickOptions(URL, headers=["X-Token: a", "X_Token: b", "Accept: c"]))
    assert made.secrets == {"x-token": "a", "x-token-2": "b"}


_OPTIONS = st.builds(
    QuickOptions,
    url=st.sampled_from([URL, "localhost:1/é?a=1&b=yes#x", "h/$(uuid())", "[::1]:8", "1.2.3.4", "on"]),
    requests=st.none() | st.integers(1, 10**6),
    concurrency=st.none() | st.integers(1, 1000),
    method=st.none() | st.sampled_from(["GET", "post", "DELETE"]),
    headers=st.lists(st.builds(lambda v: f"X-{v[:3]}: {v}", st.text()), max_size=3),
    body=st.none() | st.text() | st.sampled_from(["null", "1e3", "0x1F", "~", "2001-12-14", "- a\n", "a: b"]),
    http2=st.booleans(),
    insecure=st.booleans(),
    timeout=st.none() | st.sampled_from(["1", "1s", "0.5", "1e3", "yes"]),
    expect=st.none() | st.sampled_from(["200", "200,404"]),
    p95=st.none() | st.sampled_from(["500ms", "1", "null", "12:30"]),
    slos=st.lists(st.sampled_from(["latency.p50<5ms", "dropped<3", "throughput>1/s"]), max_size=2),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(_OPTIONS)
def test_what_is_saved_is_read_back_as_the_same(options: QuickOptions):
    try:
        made = quick_test(options)
    except ValueError:
        return
    (read,) = load_documents(made.text)
    assert read.value == made.document
    manifest = next(iter(made.manifests()))
    if not manifest.problems:
        parsed = PerfTest.parse({key: made.document[key] for key in ("metadata", "spec")})
        assert manifest.test == parsed
        assert parsed.spec.target.http is not None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-n", "5", "-r", "5"], "quick: error: -n and -r cannot be combined"),
        (["-d", "10x"], "quick: error: -d: '10x' is not a duration"),
        (["-r", "fast"], "quick: error: -r: 'fast' is not a rate"),
        (["-r", "5", "-d", "3000h"], "quick: error: -r and -d: lasts 3000h"),
        (["-c", "2000000", "-d", "1s"], "quick: error: -c: must be at most 1000000"),
        (["-r", "5", "-c", "1", "-w", "2"], "quick: error: -c: is less than the 2 workers"),
        (["-t", "0"], "quick: error: -t: must be more than 0s"),
        (["-m", "FETCH"], "quick: error: -m: 'FETCH' is not one of GET"),
        (["-H", "A: b", "-H", "a: c"], "quick: error: -H: header a is given twice"),
        (["--body", "$(nothing)"], "quick: error: --body: $(nothing) is not a variable"),
        (["--body", "@/nothing/here"], "quick: error: --body: /nothing/here cannot be read: No such file"),
        (["--expect", "99"], "quick: error: --expect: must be at least 100"),
        (["--p95", "500"], "quick: error: --p95: the limit of this metric must be a duration"),
        (["--p99", "1s", "--error-rate", "1"], "quick: error: --error-rate: the limit of this metric"),
        (["--slo", "p95<5ms"], 'quick: error: --slo p95: p95 is measured only for benchmark targets; did'),
        (["--json", "-", "--save", "-"], "--save and --json both write to -"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_the_option_and_nothing_is_sent(arguments, told):
    done = CliRunner().invoke(app, ["quick", "127.0.0.1:1", *arguments], env={"COLUMNS": "200"})
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr


@pytest.mark.parametrize(
    "url", ["", "ftp://shop", "http://a:b@shop", "https:/shop", "a b", "shop:99999", "[::1", "shop:0"]
)  # fmt: skip
def test_a_url_that_is_none_is_told_in_one_sentence(url):
    done = CliRunner().invoke(app, ["quick", url], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert re.fullmatch(r"quick: error: URL: .*\n", done.stderr)


def test_a_manifest_that_is_there_is_not_replaced(tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text("mine")
    done = CliRunner().invoke(app, ["quick", "127.0.0.1:1", "--save", str(file)])
    assert (done.exit_code, file.read_text()) == (2, "mine")
    assert "it already exists; give another name" in done.stderr.replace("\n", " ")


@pytest.mark.parametrize("command", ["run", "validate", "next"])
@pytest.mark.parametrize("url", ["https://shop:8443/api", "localhost:8000", "127.0.0.1:80/x"])
def test_a_url_in_the_place_of_a_file_is_told_which_command_takes_it(command, url):
    done = CliRunner().invoke(app, [command, url], env={"COLUMNS": "300"})
    assert done.exit_code == 2
    assert (
        f"{url}: error: is a URL, not a file; to put load on it: perfrun quick {url}" in done.output
    )


def test_a_body_from_a_file_and_from_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "body"
    file.write_bytes("é\r\n".encode())
    assert read_body("text") == "text"
    assert read_body(f"@{file}") == "é\r\n"
    for name in ("-", "@-"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"<a/>")))
        assert read_body(name) == "<a/>"
    file.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="is not UTF-8 text"):
        read_body(f"@{file}")


def every_command() -> Iterator[list[str]]:
    """The words of each command and of each group of commands."""
    waiting: list[tuple[list[str], Any]] = [([], get_command(app))]
    while waiting:
        words, command = waiting.pop()
        yield words
        context = command.make_context("perfrun", [], resilient_parsing=True)
        names = command.list_commands(context) if isinstance(command, TyperGroup) else []
        waiting += [([*words, name], command.get_command(context, name)) for name in names]


def test_there_are_commands_to_be_asked_for_help():
    assert len(list(every_command())) >= 12


@pytest.mark.parametrize("words", list(every_command()), ids=" ".join)
def test_h_is_help_everywhere(words):
    short, long = (CliRunner().invoke(app, [*words, one]).output for one in ("-h", "--help"))
    assert short == long
    assert "Usage:" in short


def test_the_manifest_of_the_page_is_what_its_command_saves():
    pattern = r"```sh\n(perfrun quick [^\n]*--save orders.yaml)\n```\n\n```yaml\n(.*?)```"
    ((command, text),) = re.findall(pattern, PAGE.read_text(), re.DOTALL)
    url, *options = shlex.split(command)[2:]
    assert options == [
        *("-n", "500", "-H", "Authorization: Bearer abc", "--p95", "300ms"),
        *("--save", "orders.yaml"),
    ]
    headers = ["Authorization: Bearer abc"]
    made = quick_test(QuickOptions(url, requests=500, headers=headers, p95="300ms"))
    assert made.text == text


COMMANDS = [
    line
    for page in (PAGE, REPO / "README.md", REPO / "docs" / "reference" / "cli.md")
    for line in page.read_text().splitlines()
    if line.removeprefix("$ ").startswith("perfrun quick ") and "[" not in line
]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_the_pages_would_run(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    class WouldRun(Exception):
        """Nothing is sent in a unit test."""

    def run(test: PerfTest, *_: object) -> None:
        raise WouldRun(test)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("perfrun.cli.run.run_test", run)
    words = shlex.split(command.removeprefix("$ "), comments=True)
    done = CliRunner().invoke(app, words[1:])
    assert isinstance(done.exception, WouldRun), done.output
    assert done.output == ""
