"""The configuration of a worker, from its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from perfrun.api.names import port_of
from perfrun.api.test.commands.script import SCRIPTS_FOLDER

REPORT_DEADLINE = 600.0


class ConfigError(Exception):
    """The environment of the worker lacks something; the message names the variable."""


@dataclass(frozen=True, slots=True)
class Config:
    """The path of the plan, the coordinator, and the index of this worker."""

    plan: Path
    coordinator: str
    """The base URL, without a slash at the end."""
    index: int
    ca: Path | None
    """The CA of the coordinator's certificate; None: the system's."""
    token_file: Path | None
    """Read again for each request: the kubelet rotates it."""
    secrets: Path | None
    """Contains ``secrets/NAME/KEY`` and ``configmaps/NAME/KEY``."""
    command_folder: Path | None
    """Folder shared with the launcher of a command; None: no launcher."""
    scripts: Path
    """Folder with a script's files, as its tool sees them."""
    address: str | None
    """The address of this worker's pod, at which the other workers reach it; None: no pod."""
    master: str | None
    """host:port of worker 0, for a tool with a coordinator of its own."""
    report_deadline: float
    """Seconds during which the worker tries to deliver its report."""

    @property
    def coordinator_host(self) -> str:
        """Host and port of the coordinator, for messages."""
        parts = urlsplit(self.coordinator)
        return f"{parts.hostname}:{port_of(parts)}"


def from_environment(env: Mapping[str, str]) -> Config:
    """The configuration. Raises ConfigError if something is missing or not a number."""
    index = env.get("PERFRUN_INDEX") or _required(env, "JOB_COMPLETION_INDEX")
    return Config(
        plan=Path(_required(env, "PERFRUN_PLAN")),
        coordinator=_required(env, "PERFRUN_COORDINATOR").rstrip("/"),
        index=int(_number("PERFRUN_INDEX or JOB_COMPLETION_INDEX", index)),
        ca=_path(env, "PERFRUN_CA"),
        token_file=_path(env, "PERFRUN_TOKEN_FILE"),
        secrets=_path(env, "PERFRUN_SECRETS"),
        command_folder=_path(env, "PERFRUN_COMMAND_FOLDER"),
        scripts=_path(env, "PERFRUN_SCRIPTS") or Path(SCRIPTS_FOLDER),
        master=env.get("PERFRUN_MASTER") or None,
        address=env.get("PERFRUN_ADDRESS") or None,
        report_deadline=_number(
            "PERFRUN_REPORT_DEADLINE", env.get("PERFRUN_REPORT_DEADLINE") or str(REPORT_DEADLINE)
        ),
    )


def _required(env: Mapping[str, str], name: str) -> str:
    if value := env.get(name):
        return value
    raise ConfigError(f"{name} is not set: workers are started by the operator or by perfrun run")


def _path(env: Mapping[str, str], name: str) -> Path | None:
    value = env.get(name)
    return Path(value) if value else None


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(f"{name} is {text!r}, which is not a number") from error
