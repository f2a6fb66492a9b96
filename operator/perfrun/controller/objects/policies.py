"""The policies that apply: objects of the cluster, or a file if such objects cannot be read."""

import logging
from pathlib import Path
from typing import NamedTuple

import yaml
from pydantic import ValidationError

from perfrun.api import Json
from perfrun.api.policy import PerfPolicy, PerfPolicySpec
from perfrun.controller.settings import Settings
from perfrun.kube.client import Kube
from perfrun.kube.errors import AlreadyExistsError
from perfrun.kube.resources import PERF_POLICIES
from perfrun.logic.problems import parse_problems
from perfrun.logic.schedule.policy import (
    DEFAULT,
    DEFAULT_NAME,
    Policies,
    default_manifest,
    policy_problems,
)

logger = logging.getLogger(__name__)


class PolicyRecord(NamedTuple):
    """One policy as it was last seen."""

    uid: str
    spec: PerfPolicySpec | None
    """None if it cannot be read."""
    why: str = ""


def policy_record(body: Json) -> PolicyRecord:
    """The record of an object. If it cannot be read, it forbids everything: nobody knows what it
    says.
    """
    uid = body["metadata"].get("uid", "")
    try:
        spec = PerfPolicy.parse(body).spec
        problems = policy_problems(spec)
    except ValidationError as error:
        problems = parse_problems(error)
    else:
        if not problems:
            return PolicyRecord(uid, spec)
    why = str(problems[0])
    logger.warning("PerfPolicy %s cannot be read: %s", body["metadata"]["name"], why)
    return PolicyRecord(uid, None, why)


def policies_of(
    records: dict[str, PolicyRecord], api_audiences: frozenset[str] = frozenset()
) -> Policies:
    """The policies for decisions, by name."""
    return Policies(
        {name: record.spec for name, record in records.items() if record.spec is not None},
        {name: record.why for name, record in records.items() if record.spec is None},
        api_audiences,
    )


def written_policies(settings: Settings) -> dict[str, PolicyRecord]:
    """The policies of an operator that may not read cluster-scoped objects.

    Raises ValueError for a file that cannot be read.
    """
    if not settings.policy_file:
        return {DEFAULT_NAME: PolicyRecord("", DEFAULT)} if settings.default_policy else {}
    try:
        bodies = yaml.safe_load(Path(settings.policy_file).read_text()) or []
        return {body["metadata"]["name"]: policy_record(body) for body in bodies}
    except (OSError, yaml.YAMLError, TypeError, KeyError) as error:
        raise ValueError(
            f"PERFRUN_POLICY_FILE {settings.policy_file} cannot be read: {error!r}: it must be "
            "a list of policies, each with metadata.name and spec"
        ) from error


async def ensure_policy(kube: Kube) -> None:
    """Create the default policy in a cluster without any. Raises KubeError."""
    if await kube.list(PERF_POLICIES, None, only_metadata=True):
        return
    try:
        await kube.create(PERF_POLICIES, None, default_manifest())
    except AlreadyExistsError:
        return
    logger.info("created PerfPolicy %s: there was no policy", DEFAULT_NAME)
