"""What pods use, as the API tells it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from perfrun.controller.run.usage import restarts, usage


def metrics(cpu: str, memory: str, at: str = "2026-11-22T02:00:15Z") -> dict[str, Any]:
    return {"timestamp": at, "containers": [{"usage": {"cpu": cpu, "memory": memory}}]}


def test_all_notations_add_up() -> None:
    found = usage(
        [
            metrics("12345678n", "100Ki"),
            metrics("250m", "1Mi", "2026-11-22T02:00:20Z"),
            metrics("1", "1e3"),
        ]
    )
    assert found.cores == pytest.approx(1.262345678)
    assert found.memory == 100 * 1024 + 1024 * 1024 + 1000
    assert found.at == datetime(2026, 11, 22, 2, 0, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "pods",
    [
        [],
        [{}],
        [{"timestamp": None, "containers": []}],
        [metrics("many", "1Ki")],
        [metrics("1", "1Ki", "yesterday")],
        [{"timestamp": "2026-11-22T02:00:15Z", "containers": [{"usage": {}}]}],
    ],
)
def test_nothing_and_rubbish_are_no_figures(pods: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match=r"it has no metrics|cannot be read|Invalid"):
        usage(pods)


def test_restarts_of_all_containers_count() -> None:
    pod = {
        "status": {
            "containerStatuses": [{"restartCount": 2}, {"restartCount": 1}],
            "initContainerStatuses": [{"restartCount": 4}],
        }
    }
    assert restarts([pod, {}, {"status": {"containerStatuses": None}}]) == 7
