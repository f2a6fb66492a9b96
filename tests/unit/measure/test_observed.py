"""What was observed: points over time, bounded, and added up over processes."""

import json

import pytest
from pydantic import ValidationError

from perfrun.measure.observed import MAX_POINTS, Observation, add_observations


def seen(*points: tuple[int, float], name: str = "api") -> Observation:
    one = Observation(name=name, metric="memory")
    for at, value in points:
        one.put(at, value)
    return one


def points(one: Observation) -> list[tuple[int, float]]:
    return list(zip(one.at, one.values, strict=True))


def test_a_point_that_is_not_newer_changes_nothing() -> None:
    assert points(seen((1, 5.0), (1, 9.0), (0, 7.0), (2, 6.0))) == [(1, 5.0), (2, 6.0)]


def test_however_long_it_goes_on_there_are_few_points_and_the_highest_is_among_them() -> None:
    one = seen(*((at, 1e6 if at == 777 else float(at)) for at in range(10_000)))
    assert len(one.at) <= MAX_POINTS
    assert one.at == sorted(one.at)
    assert max(one.values) == 1e6


def test_what_two_processes_saw_is_one_course() -> None:
    mine = [seen((1, 1.0), (3, 3.0))]
    add_observations(mine, [seen((2, 2.0), (3, 99.0)), seen((1, 1.0), name="db")])
    assert points(mine[0]) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert mine[1].name == "db"


@pytest.mark.parametrize(
    "document",
    [
        '{"name": "a", "metric": "cpu", "at": [1], "values": []}',
        '{"name": "a", "metric": "cpu", "at": [2, 1], "values": [1, 2]}',
        '{"name": "a", "metric": "cpu", "at": [1], "values": [NaN]}',
        '{"name": "a", "metric": "heat", "at": [], "values": []}',
        json.dumps({"name": "a", "metric": "cpu", "at": [*range(601)], "values": [1] * 601}),
    ],
)
def test_what_is_no_observation_is_refused(document: str) -> None:
    with pytest.raises(ValidationError):
        Observation.model_validate_json(document)
