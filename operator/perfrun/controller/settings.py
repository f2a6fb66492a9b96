"""The operator's settings from its environment, where the chart puts its values."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pydantic import ValidationError

from perfrun.api.test.pod import PodTemplate

NOBODY = 65532
"""The user of the image."""
PROBES_PORT = 8080
METRICS_PORT = 8444
METRICS_ACCESS = ("kubernetes", "token", "open")
COORDINATOR_PORT = 8443
LABEL_KEY = r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
MAX_LABEL_KEY = 253 + 1 + 63
MAX_TEST_LABELS = 20
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True)
class Settings:
    """The operator's configuration. Every field is an environment variable of the chart."""

    namespace: str
    pod_name: str
    pod_uid: str
    """Empty outside a pod."""
    pod_ip: str
    lease: str
    """The Lease that determines which of several operators leads."""
    worker_image: str
    browser_image: str
    """For workers that visit pages; empty if the workers' image has a browser."""
    worker_pull_policy: str
    worker_pull_secrets: tuple[str, ...]
    worker_cpu: str
    worker_memory: str
    worker_memory_limit: str
    worker_user: int | None
    """User, group and fsGroup of worker pods; None: the cluster chooses them."""
    worker_pod: PodTemplate
    """Settings of all worker pods, before a test's own podTemplate."""
    coordinator_url: str
    coordinator_service: str
    """The Service of that URL, which this operator directs to itself; empty: none."""
    metrics_service: str
    """The Service of the metrics, which this operator directs to itself; empty: none."""
    metrics_access: str
    """Who may read metrics: one of ``METRICS_ACCESS``."""
    metrics_token_secret: str
    """The Secret with the token for metrics, with access ``token``."""
    tls_secret: str
    watch_namespaces: tuple[str, ...]
    """Empty: the whole cluster."""
    default_policy: bool
    """Whether to create a policy if nobody has written one."""
    api_audiences: tuple[str, ...]
    """Further audiences of the API server, besides those that it reports."""
    policy_file: str
    """The policies of an installation for some namespaces; empty: none."""
    receivers: str
    """The folder with the receivers of notices; empty: none."""
    test_labels: tuple[str, ...]
    """The keys of labels of tests that metrics show."""
    log_level: str
    probes_port: int
    metrics_port: int
    coordinator_port: int

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Raises ValueError that names the missing or wrong variable."""
        return cls(
            namespace=_required(env, "PERFRUN_NAMESPACE"),
            pod_name=env.get("PERFRUN_POD_NAME", "perfrun"),
            pod_uid=env.get("PERFRUN_POD_UID", ""),
            pod_ip=env.get("PERFRUN_POD_IP", ""),
            lease=env.get("PERFRUN_LEASE", "perfrun"),
            worker_image=_required(env, "PERFRUN_WORKER_IMAGE"),
            browser_image=env.get("PERFRUN_BROWSER_IMAGE", ""),
            worker_pull_policy=env.get("PERFRUN_WORKER_PULL_POLICY", "IfNotPresent"),
            worker_pull_secrets=_list(env, "PERFRUN_WORKER_PULL_SECRETS"),
            worker_cpu=env.get("PERFRUN_WORKER_CPU", "1"),
            worker_memory=env.get("PERFRUN_WORKER_MEMORY", "256Mi"),
            worker_memory_limit=env.get("PERFRUN_WORKER_MEMORY_LIMIT", "1Gi"),
            worker_user=_user(env, "PERFRUN_WORKER_USER"),
            worker_pod=_pod_template(env, "PERFRUN_WORKER_POD"),
            coordinator_url=_required(env, "PERFRUN_COORDINATOR_URL"),
            coordinator_service=env.get("PERFRUN_COORDINATOR_SERVICE", ""),
            metrics_service=env.get("PERFRUN_METRICS_SERVICE", ""),
            metrics_access=_metrics_access(env),
            metrics_token_secret=env.get("PERFRUN_METRICS_TOKEN_SECRET", ""),
            tls_secret=env.get("PERFRUN_TLS_SECRET", ""),
            watch_namespaces=_list(env, "PERFRUN_WATCH_NAMESPACES"),
            default_policy=_flag(env, "PERFRUN_DEFAULT_POLICY"),
            api_audiences=_list(env, "PERFRUN_API_AUDIENCES"),
            policy_file=env.get("PERFRUN_POLICY_FILE", ""),
            receivers=env.get("PERFRUN_RECEIVERS", ""),
            test_labels=_label_keys(env, "PERFRUN_TEST_LABELS"),
            log_level=_level(env, "PERFRUN_LOG_LEVEL"),
            # Not ..._PORT: Kubernetes sets such variables to the URL of a Service.
            probes_port=_port(env, "PERFRUN_LISTEN_PROBES", PROBES_PORT),
            metrics_port=_port(env, "PERFRUN_LISTEN_METRICS", METRICS_PORT),
            coordinator_port=_port(env, "PERFRUN_LISTEN_COORDINATOR", COORDINATOR_PORT),
        )


def _required(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if not value:
        raise ValueError(f"{name} is not set: the chart sets it; see docs/how-to/install.md")
    return value


def _flag(env: Mapping[str, str], name: str) -> bool:
    value = env.get(name, "") or "false"
    if value not in ("true", "false"):
        raise ValueError(f"{name} is {value!r}: write true or false")
    return value == "true"


def _level(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "INFO").upper()
    if value not in _LEVELS:
        raise ValueError(f"{name} is {value!r}: write one of {', '.join(_LEVELS)}")
    return value


def _metrics_access(env: Mapping[str, str]) -> str:
    value = _required(env, "PERFRUN_METRICS_ACCESS")
    if value not in METRICS_ACCESS:
        choices = ", ".join(METRICS_ACCESS)
        raise ValueError(f"PERFRUN_METRICS_ACCESS is {value!r}: write one of {choices}")
    if value != "open":
        _required(env, "PERFRUN_TLS_SECRET")  # a token is never requested in clear text
    if value == "token":
        _required(env, "PERFRUN_METRICS_TOKEN_SECRET")
    return value


def _label_keys(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    keys = tuple(dict.fromkeys(_list(env, name)))
    for key in keys:
        if len(key) > MAX_LABEL_KEY or not re.fullmatch(LABEL_KEY, key):
            raise ValueError(f"{name} names {key!r}: write keys of labels, as in example.com/team")
    if len(keys) > MAX_TEST_LABELS:
        raise ValueError(f"{name} names {len(keys)} labels: name at most {MAX_TEST_LABELS}")
    return keys


def _pod_template(env: Mapping[str, str], name: str) -> PodTemplate:
    try:
        return PodTemplate.model_validate_json(env.get(name) or "{}")
    except ValidationError as error:
        (first, *_) = error.errors()
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{name}: {where}: {first['msg']}") from error


def _user(env: Mapping[str, str], name: str) -> int | None:
    value = env.get(name, str(NOBODY))
    if value and not (value.isdecimal() and 0 < int(value) < 2**31):
        raise ValueError(f"{name} is {value!r}: write a user id that is not 0, or nothing")
    return int(value) if value else None


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    value = env.get(name, "") or str(default)
    if not (value.isdecimal() and 0 < int(value) < 65536):
        raise ValueError(f"{name} is {value!r}: write a port, from 1 to 65535")
    return int(value)


def _list(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in env.get(name, "").split(",") if part.strip())
