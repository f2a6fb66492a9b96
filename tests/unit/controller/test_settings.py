"""The operator's environment."""

import pytest

from perfrun.api.test.pod import PodTemplate
from perfrun.controller.settings import Settings
from tests.unit.controller.build import ENV, settings


def test_defaults() -> None:
    found = settings()
    assert (found.probes_port, found.coordinator_port, found.metrics_port) == (8080, 8443, 8444)
    assert (found.worker_cpu, found.watch_namespaces, found.tls_secret) == ("1", (), "")


def test_lists_are_written_with_commas() -> None:
    found = settings(PERFRUN_WATCH_NAMESPACES="a, b,", PERFRUN_WORKER_PULL_SECRETS="x")
    assert (found.watch_namespaces, found.worker_pull_secrets) == (("a", "b"), ("x",))


def test_what_all_workers_pods_have_is_written_as_in_a_test() -> None:
    found = settings(PERFRUN_WORKER_POD='{"nodeSelector": {"pool": "load"}}')
    assert found.worker_pod.node_selector == {"pool": "load"}
    assert settings(PERFRUN_WORKER_POD="").worker_pod == settings().worker_pod == PodTemplate()
    for wrong, says in {
        '{"hostNetwork": true}': "PERFRUN_WORKER_POD: hostNetwork: ",
        '{"tolerations": [{"effect": "Never"}]}': r"PERFRUN_WORKER_POD: tolerations\.0\.effect: ",
        '{"priorityClassName": "system-node-critical"}': "PERFRUN_WORKER_POD: .*system-",
        "{": "PERFRUN_WORKER_POD: ",
    }.items():
        with pytest.raises(ValueError, match=says):
            settings(PERFRUN_WORKER_POD=wrong)


@pytest.mark.parametrize("name", sorted(ENV))
def test_missing_variable_is_named(name: str) -> None:
    for value in ({}, {name: ""}):
        with pytest.raises(ValueError, match=f"{name} is not set"):
            Settings.from_env({**{k: v for k, v in ENV.items() if k != name}, **value})


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "80.5", "tcp://10.0.0.1:8080"])
def test_port_that_is_none_is_refused_by_name(port: str) -> None:
    with pytest.raises(ValueError, match="PERFRUN_LISTEN_PROBES"):
        settings(PERFRUN_LISTEN_PROBES=port)


@pytest.mark.parametrize("user", ["0", "-1", "root", "2147483648"])
def test_user_that_no_worker_may_be_is_refused_by_name(user: str) -> None:
    with pytest.raises(ValueError, match="PERFRUN_WORKER_USER"):
        settings(PERFRUN_WORKER_USER=user)


def test_level_that_logging_does_not_know_is_refused_by_name() -> None:
    assert settings(PERFRUN_LOG_LEVEL="debug").log_level == "DEBUG"
    with pytest.raises(ValueError, match="PERFRUN_LOG_LEVEL"):
        settings(PERFRUN_LOG_LEVEL="chatty")


def test_labels_of_tests_are_keys_of_labels_each_once_and_few() -> None:
    found = settings(PERFRUN_TEST_LABELS="team,example.com/cost-centre,team")
    assert found.test_labels == ("team", "example.com/cost-centre")
    for wrong in ("a b", "-a", "a/b/c", "a" * 64, "{__name__=x}"):
        with pytest.raises(ValueError, match="PERFRUN_TEST_LABELS names"):
            settings(PERFRUN_TEST_LABELS=wrong)
    with pytest.raises(ValueError, match="at most 20"):
        settings(PERFRUN_TEST_LABELS=",".join(f"label-{number}" for number in range(21)))


def test_variables_that_kubernetes_sets_for_services_shadow_none_of_ours() -> None:
    # As for Services named perfrun-metrics and perfrun-coordinator in the same namespace.
    shadow = {
        f"PERFRUN_{service}_{name}": "tcp://10.0.0.1:8443"
        for service in ("METRICS", "COORDINATOR", "LISTEN")
        for name in ("SERVICE_HOST", "SERVICE_PORT", "PORT", "PORT_8443_TCP", "PORT_8443_TCP_ADDR")
    }
    assert settings(**shadow) == settings()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"PERFRUN_METRICS_ACCESS": "all"}, "write one of kubernetes, token, open"),
        ({"PERFRUN_METRICS_ACCESS": "kubernetes"}, "PERFRUN_TLS_SECRET is not set"),
        (
            {"PERFRUN_METRICS_ACCESS": "token", "PERFRUN_TLS_SECRET": "tls"},
            "PERFRUN_METRICS_TOKEN_SECRET is not set",
        ),
    ],
)
def test_tokens_for_metrics_need_tls_and_their_secret(given: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        settings(**given)
