"""A real Prometheus scrapes the operator, and its series say what the status says."""

import subprocess
from dataclasses import replace

import pytest

from perfrun.api.quantities import NS_PER_S, parse_duration, parse_rate
from tests.cluster.handle import Cluster
from tests.e2e.prometheus import Prometheus, Scrape, scrape_of
from tests.e2e.shop import SYSTEM, Shop, until

MEASURED = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: measured}
spec:
  target: {http: {url: "http://shop:8000/api/v1/health"}}
  scenarios:
  - name: all
    steps:
    - {name: first}
    - {name: second}
  load: {workers: 2, burst: {requests: 1600, concurrency: 10}}
  slos:
  - {metric: latency.p95, of: all, max: 10s}
  - {metric: errorRate, max: 1%}
  - {metric: latency.max, max: 1us}
"""


def test_prometheus_has_the_figures_of_the_status(shop: Shop, prometheus: Prometheus) -> None:
    shop.apply(MEASURED)
    status = shop.done(shop.first_run("measured"))["status"]
    assert status["verdict"] == "Warn"  # nobody answers within a microsecond
    mine = f'namespace="{shop.namespace}",test="measured"'

    warn = until(
        "the verdict is scraped",
        lambda: prometheus.query(f'perfrun_verdict{{{mine},verdict="Warn"}} == 1'),
    )
    assert warn[0]["metric"]["namespace"] == shop.namespace
    others = prometheus.query(f'perfrun_verdict{{{mine},verdict!="Warn"}}')
    assert {sample["value"][1] for sample in others} == {"0"}

    parts = {"": status["summary"], **{step["name"]: step for step in status["steps"]}}
    assert set(parts) == {"", "first", "second"}
    for step, part in parts.items():
        for stat, quantile in (("p50", "0.5"), ("p95", "0.95"), ("p99", "0.99")):
            found = prometheus.query(
                f'perfrun_latency_seconds{{{mine},step="{step}",quantile="{quantile}"}}'
            )
            shown = parse_duration(part["latency"][stat]) / NS_PER_S
            assert float(found[0]["value"][1]) == pytest.approx(shown)
        rate = prometheus.query(f'perfrun_throughput{{{mine},step="{step}"}}')
        assert float(rate[0]["value"][1]) == pytest.approx(parse_rate(part["throughput"]))

    met = prometheus.query(f"perfrun_slo_met{{{mine}}}")
    # On a machine that is too busy a pass is taken back, and is absent here.
    as_number = {"Pass": "1", "Warn": "0"}
    expected = {
        (slo["metric"], as_number[slo["verdict"]])
        for slo in status["slos"]
        if slo["verdict"] in as_number
    }
    assert {(m["metric"]["metric"], m["value"][1]) for m in met} == expected
    assert ("latency.max", "0") in expected
    sent = prometheus.query(f"sum(perfrun_requests_total{{{mine}}})")
    assert int(float(sent[0]["value"][1])) == status["summary"]["requests"]["sent"] == 3200


def test_the_exposition_passes_promtool(perfrun: Cluster) -> None:
    exposition = scrape_of(perfrun).text()
    assert "perfrun_" in exposition
    mine = "".join(line + "\n" for line in exposition.splitlines() if "perfrun_" in line)
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=mine, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_whoever_has_no_right_reads_nothing(perfrun: Cluster) -> None:
    scrape = scrape_of(perfrun)
    stranger = perfrun.kubectl("-n", SYSTEM, "create", "token", "default").stdout.strip()
    for token, code in (("", 401), ("made-up", 401), (stranger, 403)):
        with pytest.raises(OSError, match=f"answered {code}"):
            replace(scrape, token=token).text()


def test_a_deleted_test_takes_its_series_with_it(shop: Shop, perfrun: Cluster) -> None:
    shop.kubectl("delete", "ptest", "--all")

    scrape = scrape_of(perfrun)

    def gone() -> bool:
        return f'namespace="{shop.namespace}"' not in scrape.text()

    until("the series are gone", gone)


def _addresses(system: Shop, service: str) -> set[str]:
    slices = system.items("endpointslices", labels=f"kubernetes.io/service-name={service}")
    return {
        address
        for one in slices
        for endpoint in one["endpoints"] or []
        for address in endpoint["addresses"]
    }


def _is_leader(scrape: Scrape) -> bool:
    try:
        return "perfrun_leader 1.0" in scrape.text()
    except OSError:
        return False


@pytest.mark.disturbs
def test_with_two_operators_the_service_leads_to_the_one_that_acts(perfrun: Cluster) -> None:
    scrape, system = scrape_of(perfrun), Shop(perfrun, SYSTEM)
    try:
        system.kubectl("scale", "deploy/perfrun", "--replicas=2")
        system.kubectl("rollout", "status", "deploy/perfrun", "--timeout=120s")
        both = until(
            "there are two",
            lambda: found if len(found := _addresses(system, "perfrun-operators")) == 2 else None,
        )
        # kube-proxy needs a moment to lead to a leader that has just been elected.
        until("the Service leads to the leader", lambda: _is_leader(scrape))
        assert all("perfrun_leader 1.0" in scrape.text() for _ in range(20))
        (leader,) = _addresses(system, "perfrun-leader")
        (standby,) = both - {leader}
        assert "perfrun_leader 0.0" in replace(scrape, address=f"{standby}:8444").text()
    finally:
        system.kubectl("scale", "deploy/perfrun", "--replicas=1")
        system.kubectl("rollout", "status", "deploy/perfrun", "--timeout=120s")
