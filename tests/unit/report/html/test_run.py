"""The page of a run, as a browser takes it apart."""

import base64
import hashlib
import re

import pytest

from perfrun.logic.comparison.model import Reported
from perfrun.measure.record import Traced
from perfrun.report.html import run_page
from tests.unit.logic.build import CLOSED, report, step
from tests.unit.report.html.build import MS, Page, S, reported, series, sketch, with_status
from tests.unit.report.sample import a_run, an_error

HOSTILE = "<script>alert(1)</script>\u202e\u2066\x00\x1b[31m\"'&{{7*7}}" + "A" * 10_000
LIMITS = [{"metric": "latency.p95", "max": "500ms"}, {"metric": "errorRate", "max": "1%"}]


def complete() -> Reported:
    measured = report(step([(index + 1) * MS for index in range(1000)], timeouts=[5 * S] * 20))
    measured.series = series(failed=[2] * 10, errors={"Timeout": [2] * 10})
    return reported(measured, slos=LIMITS)


def test_the_verdict_comes_first_then_objectives_then_steps_then_charts():
    page = Page(run_page(complete()))
    sections = ["objectives", "next", "steps", "charts", "counts", "generator", "environment"]
    places = [page.ids.index(name) for name in sections]
    assert places == sorted(places)
    assert [link["href"] for link in page.all("a")][1:] == [f"#{name}" for name in sections]
    assert page.text.index("Warn 2 of 2 objectives missed") < page.text.index("Objectives")


def test_every_chart_has_a_name_a_description_and_its_data():
    page = Page(run_page(complete()))
    charts = [attributes["id"] for attributes in page.all("figure")]
    assert charts == ["latency", "rate", "errors", "in-flight", "distribution", "lag"]
    for chart in charts:
        assert {f"{chart}-title", f"{chart}-desc"} <= set(page.ids)
    assert len(page.all("details")) == len(charts)
    assert sum(svg.get("role") == "img" for svg in page.all("svg")) == len(charts)


def test_ids_are_there_once_and_names_refer_to_them():
    page = Page(run_page(complete()))
    assert len(set(page.ids)) == len(page.ids)
    named = [tag["aria-labelledby"] for _, tag in page.tags if "aria-labelledby" in tag]
    assert set(" ".join(named).split()) <= set(page.ids)


def test_nothing_may_be_fetched_and_only_our_script_runs():
    page = Page(run_page(complete()))
    [policy] = [
        meta["content"]
        for meta in page.all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    [script] = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src 'sha256-{digest}'" in policy
    links = [value for _, tag in page.tags for key, value in tag.items() if key in ("src", "href")]
    assert all(link.startswith(("#", "data:")) for link in links)


def test_hostile_texts_are_texts():
    one = complete()
    hostile = with_status(
        one,
        message=HOSTILE[:2048],
        stopped=HOSTILE[:2048],
        target=HOSTILE[:300],
        revision=HOSTILE[:128],
        slos=[
            {
                "metric": HOSTILE[:128],
                "of": HOSTILE[:128],
                "max": HOSTILE[:64],
                "verdict": "Fail",
                "message": HOSTILE[:2048],
            }
        ],
        environment={"machines": [HOSTILE[:256]], "resources": {HOSTILE[:256]: HOSTILE[:512]}},
    )
    assert hostile.result is not None
    plan = hostile.result.plan.model_copy(update={"test": HOSTILE, "run": HOSTILE})
    measured = report(step([MS] * 10, name=HOSTILE[:63]), step([MS] * 10, name=HOSTILE[:62] + "B"))
    measured.stopped = HOSTILE
    measured.series = series(seconds=1, failed=[1], errors={HOSTILE[:64]: [1]})
    result = hostile.result.model_copy(update={"plan": plan, "report": measured})
    text = run_page(Reported(hostile.run, result))
    page = Page(text)
    assert len(page.scripts) == 1
    assert "alert" not in page.scripts[0]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00\x1b]", text)
    assert "<script>alert(1)</script>" in page.text
    assert "{{7*7}}" in page.text
    assert len(text) < 200_000


def test_a_run_with_everything_in_its_status_but_no_result():
    page = Page(run_page(Reported(a_run())))
    assert "no longer kept" in page.text
    assert page.all("figure") == []
    assert "buy/create-order-with-a-long-name" in page.text
    assert "a worker was paused for 210ms" in page.text
    assert "2 of 4" not in page.text
    assert "1 of 3 met" in page.text


def test_an_error_says_what_to_do_and_has_no_empty_parts():
    page = Page(run_page(Reported(an_error("shop refuses connections"))))
    assert "Error shop refuses connections" in page.text
    assert "nothing was judged: fix what the message names" in page.text
    assert "The load never started, so the target was not measured." in page.text
    assert "Workers 1 planned: 0 were ready, 0 reported" in page.text.replace(
        "Workers1", "Workers 1"
    )
    assert not {"steps", "charts"} & set(page.ids)
    assert "no problem of its own" not in page.text, "nothing was measured"


def test_a_result_of_which_no_worker_reported():
    page = Page(run_page(reported(None, slos=LIMITS)))
    assert "The load started, but what it measured is not known." in page.text
    assert "Not judged: latency.p95: at most 500ms errorRate: at most 1%" in page.text
    assert "has no objectives" not in page.text


def test_a_run_that_is_still_in_progress():
    page = Page(run_page(Reported(a_run(verdict=None, phase="Running", message=None, slos=[]))))
    assert "Running" in page.text
    assert "The run was not judged." in page.text


def test_what_was_run_and_where():
    one = with_status(
        complete(),
        environment={
            "machines": ["EPYC, amd64"],
            "resources": {"requests/cpu": "1"},
            "workloads": [
                {
                    "name": "api",
                    "replicas": 2,
                    "limits": {"server/cpu": "2"},
                    "images": {"server": "shop@sha256:1f2e"},
                    "since": "2026-11-24T14:02:11Z",
                }
            ],
        },
    )
    text = Page(run_page(one)).text
    assert "http://shop/ (HTTP/1.1, timeout 5s)" in text or "http://shop (HTTP/1.1" in text
    assert "open, Uniform: 100/s for 10s, 1 worker" in text
    assert "EPYC, amd64" in text
    assert (
        "2 replicas, server/cpu 2, server: shop@sha256:1f2e, youngest pod from 2026-11-24 14:02:11"
        in text
    )


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (CLOSED, "closed: 10 users for 10s, 1 worker"),
        ({"burst": {"requests": 1000, "concurrency": 10}}, "burst of 1,000 iterations, 10 at a"),
        (
            {"warmup": "5s", "workers": 2, "open": {"stages": [{"rate": "9/s", "ramp": "1m"}]}},
            "open, Uniform: 9/s over 1m after a warm-up of 5s, 2 workers",
        ),
        (
            {"capacity": {"from": "100/s", "to": "2000/s"}},
            "search from 100/s to 2000/s in holds of 30s, 1 worker",
        ),
    ],
)
def test_loads_in_words(load: dict, words: str):
    assert words in Page(run_page(reported(None, load))).text


def test_a_search_shows_its_holds():
    holds = [
        {"rate": "100/s", "outcome": "Met", "p95": "12ms"},
        {"rate": "200/s", "outcome": "Missed", "message": "p95 was too high"},
    ]
    text = Page(run_page(with_status(complete(), capacity={"holds": holds}))).text
    assert "1100/sMet12msn/a 2200/sMissedn/an/ap95 was too high" in text


def test_slow_requests_are_found_again_by_their_traces():
    measured = report(step([MS] * 10))
    measured.window.steps[0].slowest = [Traced(latency=5 * S, trace_id="ab" * 16)]
    page = Page(run_page(reported(measured)))
    assert "ab" * 16 in page.text


def test_several_steps_are_also_told_together():
    names = [f"step-{index}" for index in range(2)]
    steps = [step([MS] * 10, name=name) for name in names]
    plan = [{"name": name, "http": {"path": "/"}} for name in names]
    scenarios = [{"name": "default", "steps": plan}]
    text = Page(run_page(reported(report(*steps), scenarios=scenarios))).text
    assert re.search(r"all steps\s*20", text)
    assert "all steps" not in Page(run_page(reported(report(step([MS] * 10))))).text


def test_the_largest_run_is_still_a_small_page():
    busy = sketch(*[index * index * 1000 for index in range(1, 500)])
    steps = [step([MS, 2 * MS, 3 * S], name=f"step-{index}") for index in range(50)]
    measured = report(*steps)
    measured.load_time = 600 * S
    measured.series = series(
        seconds=600,
        latency=[busy] * 600,
        failed=[8] * 600,
        errors={name: [1] * 600 for name in "ABCDEFGH"},
    )
    http = [{"name": one.step, "http": {"path": "/"}} for one in steps]
    slos = [{"metric": "latency.p95", "of": one.step, "max": "1s"} for one in steps]
    one = reported(measured, scenarios=[{"name": "default", "steps": http}], slos=slos)
    assert len(run_page(one).encode()) < 500_000


def test_a_database_is_named_by_its_secret_and_never_by_what_is_in_it():
    dsn = {"secretKeyRef": {"name": "orders", "key": "dsn"}}
    steps = [{"name": "get", "sql": {"statement": "SELECT 1"}}]
    one = reported(
        None,
        target={"sql": {"dsnFrom": dsn, "timeout": "2s"}},
        scenarios=[{"name": "default", "steps": steps}],
    )
    assert "database of secret/shop/orders/dsn (timeout 2s)" in Page(run_page(one)).text


def test_the_server_of_an_extension_is_named_with_its_protocol():
    one = reported(
        None,
        target={"extension": {"kind": "websocket", "address": "chat:8765", "timeout": "2s"}},
        scenarios=[{"name": "default", "steps": [{"name": "get", "extension": {}}]}],
    )
    assert "chat:8765 (websocket, timeout 2s)" in Page(run_page(one)).text
