"""Every bad manifest is refused where it can be seen, by field and in words that help."""

import pytest
import yaml
from pydantic import ValidationError

from perfrun.api.run.perfrun import PerfRun
from perfrun.local.files.manifests import parse_manifests
from perfrun.logic.problems import parse_problems
from tests.cluster.dryrun import DryRun
from tests.integration.bad_manifests import BadManifest, bad_manifests

pytestmark = pytest.mark.patient

AT_APPLY = bad_manifests("apply")
AT_CONDITION = bad_manifests("condition")


def _name(manifest: BadManifest) -> str:
    return manifest.path.stem


def _refusals(manifest: BadManifest) -> list[str]:
    """What perfrun says without a cluster."""
    data = manifest.path.read_bytes()
    document = yaml.safe_load(data)
    if document["kind"] == "PerfTest":
        return [p.text for read in parse_manifests("-", data) for p in read.problems]
    try:
        PerfRun.model_validate(document)
    except ValidationError as error:
        return [f"{problem.field}: {problem.message}" for problem in parse_problems(error)]
    return []


def test_there_are_enough_of_both_kinds() -> None:
    assert len(AT_APPLY) >= 30
    assert len(AT_CONDITION) >= 10


@pytest.mark.parametrize("manifest", AT_APPLY, ids=_name)
def test_api_server_refuses_with_field_and_reason(manifest: BadManifest, dry_run: DryRun) -> None:
    lines = dry_run.apply(manifest.path.read_text()).refusals
    assert lines, "the API server accepted it"
    assert any(manifest.field in line and manifest.says in line for line in lines), lines


@pytest.mark.parametrize("manifest", AT_APPLY, ids=_name)
def test_perfrun_refuses_what_the_api_server_refuses(manifest: BadManifest) -> None:
    assert any(manifest.field in line for line in _refusals(manifest)), _refusals(manifest)


@pytest.mark.parametrize("manifest", AT_CONDITION, ids=_name)
def test_api_server_cannot_see_it(manifest: BadManifest, dry_run: DryRun) -> None:
    assert dry_run.apply(manifest.path.read_text()).refusals == []


@pytest.mark.parametrize("manifest", AT_CONDITION, ids=_name)
def test_perfrun_refuses_with_field_and_reason(manifest: BadManifest) -> None:
    said = _refusals(manifest)
    assert any(manifest.field in line and manifest.says in line for line in said), said
