"""The overrides of a run, as commands take them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from perfrun.cli.commands import app
from perfrun.cli.overrides import changed, parse_overrides
from perfrun.local.files.manifests import Manifest, parse_manifests
from tests.unit.local.files.test_manifests import GOOD

SQL = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: base}
spec:
  target: {sql: {dsnFrom: {secretKeyRef: {name: shop, key: dsn}}}}
  scenarios: [{name: all, steps: [{name: one, sql: {statement: select 1}}]}]
  load: {burst: {requests: 10, concurrency: 1}}
"""
OPEN = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: shop}
spec:
  target: {http: {url: "http://shop:8000/api"}}
  variables: {region: eu}
  load: {open: {rate: 100/s, duration: 10s}}
  slos: [{metric: latency.p95, max: 1s}]
"""


def manifests(*texts: str) -> list[Manifest]:
    return [one for text in texts for one in parse_manifests("shop.yaml", text.encode())]


def changes(*texts: str, **options: object) -> list[Manifest]:
    wanted = parse_overrides(**options)  # type: ignore[arg-type]
    assert wanted is not None
    return changed(manifests(*texts), wanted)


def said(found: list[Manifest]) -> list[str]:
    return [problem.line("error") for one in found for problem in one.problems]


def test_all_options_together_are_the_overrides_of_a_run():
    wanted = parse_overrides(
        url="http://localhost:8000",
        variables=["region=us", "filter=a=b", "empty="],
        settings=["load.open.rate=50/s", "load.duration=1m", "load.workers=2"],
        labels=["pull-request=12"],
    )
    assert wanted.overrides.model_dump(mode="json", exclude_unset=True) == {
        "url": "http://localhost:8000",
        "variables": {"region": "us", "filter": "a=b", "empty": ""},
        "load": {"rate": "50/s", "duration": "1m", "workers": 2},
        "labels": {"pull-request": "12"},
    }
    assert parse_overrides() is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"variables": ["region"]}, "--var region: write a name and a value"),
        ({"settings": ["load.scale"]}, "--set load.scale: write a name and a value"),
        ({"settings": ["load.scale=much"]}, "--set load.scale=much: is not a number"),
        ({"settings": ["load.users=1.5"]}, "--set load.users=1.5: is not a whole number"),
        ({"settings": ["load.rate=50"]}, "--set load.rate: '50' is not a rate"),
        ({"settings": ["load.scale=nan"]}, "--set load.scale: must be"),
        (
            {"settings": ["load.rate=1/s", "load.open.rate=2/s"]},
            "--set load.open.rate: it is given twice (as load.rate): remove one",
        ),
        ({"settings": ["load.rate=1/s"] * 2}, "--set load.rate: it is given twice: remove one"),
        ({"variables": ["region=eu", "region=us"]}, "--var region: it is given twice: remove one"),
        ({"labels": ["pr=1", "pr=1"]}, "--label pr: it is given twice: remove one"),
        (
            {"settings": ["load.open.duration=UntilStopped"]},
            "--set load.maxDuration: is required with duration: UntilStopped",
        ),
        ({"settings": ["load.open.duration=0s"]}, "--set load.open.duration: must be more than 0s"),
        ({"settings": ["load.scale=1", "load.rate=2/s"]}, "--set load.scale: cannot be used"),
        ({"labels": ["a b=c"]}, "write the key of a label"),
        ({"variables": ["a-b=c"]}, "--var a-b: "),
        ({"url": "localhost:8000"}, "--url: 'localhost:8000' is not valid: write scheme"),
    ],
)
def test_wrong_options(options, sentence):
    with pytest.raises(ValueError) as caught:
        parse_overrides(**options)
    assert sentence in str(caught.value)


def test_what_cannot_be_set_is_refused_by_naming_what_can():
    with pytest.raises(ValueError) as caught:
        parse_overrides(settings=["load.open.rat=1/s"])
    assert str(caught.value).startswith(
        '--set load.open.rat: a run cannot set this; did you mean "load.open.rate"? It can set '
        "load.scale, load.workers, "
    )
    for far in ("slos", "load.foo", "load.closed.hold"):
        with pytest.raises(ValueError, match=r"a run cannot set this\. It can set load.scale"):
            parse_overrides(settings=[f"{far}=none"])
    with pytest.raises(ValueError, match=r'this; did you mean "load.rate"\? It can set'):
        parse_overrides(settings=["rate=1/s"])


def test_a_database_stays_where_it_is():
    found = changes(OPEN, SQL, url="http://localhost")
    assert [one.test.spec.target.url for one in found] == ["http://localhost/api", None]
    assert [one.overrides is None for one in found] == [False, True]
    (_, nothing) = changes(SQL, url="http://localhost")
    assert said([nothing]) == ["--url http://localhost: error: no test has a target with a URL"]


def test_what_does_not_fit_is_said_of_the_option():
    found = changes(OPEN, settings=["load.users=5"], variables=["regoin=us"])
    found += changes(OPEN, settings=["load.closed.duration=5s"])
    assert said(found) == [
        "shop.yaml:2:1: error: shop: --var regoin: the test does not define it in spec.variables; did you mean "
        '"region"?',
        "shop.yaml:2:1: error: shop: --set load.users: the load of the test is open: runs can set "
        "load.scale, load.rate, load.duration, load.maxDuration and load.workers",
        "shop.yaml:2:1: error: shop: --set load.closed.duration: the load of the test is open: runs can "
        "set load.scale, load.rate, load.duration, load.maxDuration and load.workers",
    ]


def test_figures_that_do_not_fit_are_said_of_all_settings():
    closed = OPEN.replace("open: {rate: 100/s,", "closed: {users: 8,")
    found = changes(closed, settings=["load.closed.users=2", "load.workers=4"])
    assert said(found) == [
        "shop.yaml:2:1: error: shop: --set load.closed.users and load.workers: it does not fit: "
        "spec.load.closed: closed.users must be at least the number of workers: raise users, or lower "
        "workers (2 users for 4 workers)"
    ]
    staged = OPEN.replace("rate: 100/s, duration: 10s", "stages: [{rate: 5/s, hold: 10s}]")
    settings = ["load.open.duration=UntilStopped", "load.maxDuration=1h"]
    (only,) = said(changes(staged, settings=settings))
    assert "--set load.open.duration: UntilStopped cannot be used with stages" in only


def test_warnings_are_those_of_what_runs():
    (before,) = manifests(OPEN)
    (after,) = changes(OPEN, settings=["load.scale=0.1"])
    (back,) = changes(OPEN.replace("100/s", "10/s"), settings=["load.scale=10"])
    assert (before.warnings, back.warnings) == ((), ())
    assert "gives only about 100" in after.warnings[0].text


def test_a_load_that_is_too_long_is_refused():
    (found,) = changes(OPEN, settings=["load.duration=48h"])
    assert found.problems[0].text.startswith("with load.duration: 48h: spec.load.open: lasts 48h")


def test_nothing_runs_where_overrides_are_wrong(tmp_path: Path):
    file = tmp_path / "shop.yaml"
    file.write_text(GOOD)
    done = CliRunner().invoke(app, ["run", str(file), "--set", "slos=none"])
    assert done.exit_code == 2
    assert "--set slos: a run cannot set this" in done.output
    assert done.output.count("\n") == 1
