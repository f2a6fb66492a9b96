"""Results of benchmark suites: what is read of real documents, and what of hostile ones."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from perfrun.engine.benchmark.readers import k6, pytest_benchmark
from perfrun.engine.benchmark.results import READERS, read_results
from perfrun.engine.command import ResultsError, read_bounded
from perfrun.measure.benchmark import MAX_BENCHMARKS, MAX_NAME, MAX_VALUE

DATA = Path(__file__).parent / "data"


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "results.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def suite(*benchmarks: Any) -> str:
    return json.dumps({"benchmarks": list(benchmarks)})


def one(name: str = "test_a", full: str = "a.py::test_a", **stats: Any) -> dict[str, Any]:
    return {"name": name, "fullname": full, "stats": stats or {"mean": 0.002}}


def test_pytest_benchmark_as_it_writes() -> None:
    found, left = read_results(DATA / "pytest-benchmark-5.3.1.json", "PytestBenchmark")
    assert [one.name for one in found] == ["test_sort", "test_totals[100]", "test_totals[5000]"]
    assert left == 0
    sort = found[0].values
    assert list(sort) == [
        *("min", "max", "mean", "stddev", "median", "q1", "q3", "iqr", "ops", "rounds"),
    ]
    assert (round(sort["mean"]), round(sort["max"])) == (420_535, 5_207_471)  # ns
    assert (sort["rounds"], round(sort["ops"])) == (191, 2378)


def test_benchmarks_of_one_name_are_told_by_their_full_ones() -> None:
    document = json.loads(suite(one(full="a.py::test_a"), one(full="b.py::test_a"), one("test_b")))
    names = [found.name for found in pytest_benchmark.read(document)]
    assert names == ["a.py::test_a", "b.py::test_a", "test_b"]


def summary(**metrics: Any) -> list[tuple[str, dict[str, float]]]:
    return [(found.name, dict(found.values)) for found in k6.read({"metrics": metrics})]


def test_k6_metrics_are_read_by_what_they_are() -> None:
    assert summary(
        http_req_duration={"avg": 2.5, "min": 1, "med": 2, "max": 9, "p(90)": 4, "p(99.9)": 8},
        http_reqs={"count": 10, "rate": 5.5},
        checks={"passes": 9, "fails": 1, "value": 0.9},
        vus={"value": 3, "min": 1, "max": 3},
    ) == [
        (
            "http_req_duration",
            {"avg": 2.5e6, "min": 1e6, "med": 2e6, "max": 9e6, "p90": 4e6, "p999": 8e6},
        ),
        ("http_reqs", {"count": 10, "rate": 5.5}),
        ("checks", {"value": 0.9, "passes": 9, "fails": 1}),
        ("vus", {"value": 3}),
    ]


@pytest.mark.parametrize("form", ["summary-export", "handle-summary"])
def test_k6_as_it_writes(form: str) -> None:
    found, _ = read_results(DATA / f"k6-1.8.1-{form}.json", "K6")
    by_name = {one.name: one.values for one in found}
    duration = by_name["http_req_duration"]
    assert set(duration) == {"avg", "min", "med", "max", "p90", "p95", "p99", "p999"}
    assert 0.1e6 < duration["min"] < duration["med"] < duration["p99"] < duration["max"] < 100e6
    assert by_name["checks"] == {"value": 1, "passes": 40, "fails": 0}
    assert by_name["http_reqs"]["count"] == 40
    assert by_name["http_reqs"]["rate"] > 1000
    # Its unit is not a time; and that this is one, only the second form tells.
    assert "body_size" not in by_name
    assert ("my_wait" in by_name) is (form == "handle-summary")


def test_k6_machine_readable_as_it_writes() -> None:
    found, left = read_results(DATA / "k6-1.8.1-machine-readable.json", "K6")
    assert left == 0
    by_name = {one.name: one.values for one in found}
    assert set(by_name["http_req_duration"]) == {"avg", "min", "med", "max", "p90", "p95"}
    assert by_name["http_reqs"] == {"count": 20, "rate": pytest.approx(20 / 0.221676746)}
    assert by_name["checks_succeeded"] == {"value": 1, "passes": 20, "fails": 0}
    assert by_name["http_req_failed"] == {"value": 0, "passes": 0, "fails": 20}
    assert by_name["checks_total"]["count"] == 20
    assert "body_size" not in by_name
    assert "my_wait" in by_name


def test_k6_metrics_whose_unit_is_not_known_are_left_out() -> None:
    bytes_of = {"type": "trend", "contains": "data", "values": {"avg": 5}}
    times_of = {"type": "trend", "contains": "time", "values": {"avg": 5, "p(95)": 7}}
    assert summary(my_trend={"avg": 5}, my_bytes=bytes_of, my_time=times_of) == [
        ("my_time", {"avg": 5e6, "p95": 7e6})
    ]


def test_k6_shares_are_not_taken_for_rates_a_second() -> None:
    share = {
        "type": "rate",
        "contains": "default",
        "values": {"rate": 0.5, "passes": 1, "fails": 1},
    }
    assert summary(http_req_failed=share) == [
        ("http_req_failed", {"value": 0.5, "passes": 1, "fails": 1})
    ]


def test_k6_machine_readable_summary() -> None:
    def metric(name: str, kind: str, contains: str = "default", **values: float) -> dict[str, Any]:
        return {"name": name, "type": kind, "contains": contains, "values": values}

    trend = {"avg": 2.0, "p(95)": 5.0}
    checks = {"metrics": [metric("checks_succeeded", "rate", matches=3, total=4, rate=0.75)]}
    metrics = [
        metric("http_req_duration", "trend", "time", **trend),
        metric("page_bytes", "trend", "data", **trend),
        metric("http_reqs", "counter", count=7),
        metric("vus", "gauge", value=2, min=1, max=3),
    ]
    results = {"checks": checks, "metrics": metrics}
    document = {"version": "1.0.0", "config": {"duration": 2.0}, "results": results}
    assert [(found.name, dict(found.values)) for found in k6.read(document)] == [
        ("http_req_duration", {"avg": 2e6, "p95": 5e6}),
        ("http_reqs", {"count": 7, "rate": 3.5}),
        ("vus", {"value": 2}),
        ("checks_succeeded", {"value": 0.75, "passes": 3, "fails": 1}),
    ]


@pytest.mark.parametrize(
    "results",
    [{}, {"metrics": {}}, {"metrics": [5]}, {"metrics": [{"values": {}}]}, {"metrics": None}],
)
def test_k6_machine_readable_summary_in_another_form(results: Any) -> None:
    with pytest.raises(ResultsError, match=r"metrics"):
        list(k6.read({"results": results}))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the results are empty"),
        ("rubbish", "the results are not JSON: a value is expected here"),
        (b"\xff\xfe\x00", "the results are not JSON"),
        ("[" * 200_000, "it is nested too deeply"),
        ("1" * 5000, "the results are not JSON"),
        ("[]", "the document is not a mapping"),
        ("{}", "it has no list of benchmarks"),
        ('{"benchmarks": {}}', "it has no list of benchmarks"),
        ('{"benchmarks": [5]}', "one of the benchmarks is not a mapping"),
        ('{"benchmarks": []}', "the results have no benchmark"),
        (suite({"name": "a", "stats": 5}), "stats of a is not a mapping"),
        (suite(one(mean="fast")), "the results have no benchmark"),
        ('{"benchmarks": [{"name": "a", "stats": {"mean": NaN}}]}', "have no benchmark"),
        ('{"benchmarks": [{"name": "a", "stats": {"mean": 1e999}}]}', "have no benchmark"),
        (f'{{"benchmarks": [{{"name": "a", "stats": {{"mean": 1{"0" * 400}}}}}]}}', "no benchmark"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_result_is_told(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(ResultsError) as caught:
        read_results(written(tmp_path, text), "PytestBenchmark")
    assert said in str(caught.value)


@pytest.mark.parametrize("form", list(READERS))
@pytest.mark.parametrize(
    "document",
    [
        None,
        5,
        "x",
        [],
        [[]],
        {"metrics": 5},
        {"metrics": {"a": []}},
        {"metrics": {"a": {"values": 1}}},
        {"benchmarks": [{"stats": {}}]},
        {"benchmarks": [{"name": [], "stats": {"mean": True}}]},
    ],
    ids=str,
)
def test_readers_take_anything_and_raise_nothing_else(form: Any, document: Any) -> None:
    try:
        found = list(READERS[form](document))
    except ResultsError:
        return
    assert found == []


def test_there_are_bounds(tmp_path: Path) -> None:
    many = [one(f"{'x' * 300}{number:04}") for number in range(3)]
    (kept,), _ = read_results(written(tmp_path, suite(*many[:1])), "PytestBenchmark")
    assert len(kept.name) == MAX_NAME
    many = [one(f"test_{number}") for number in range(MAX_BENCHMARKS + 7)]
    found, left = read_results(written(tmp_path, suite(*many)), "PytestBenchmark")
    assert (len(found), left) == (MAX_BENCHMARKS, 7)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (one("x" * MAX_NAME + "_fast"), one("x" * MAX_NAME + "_slow", mean=9.0)),
        (one("same", "a.py::same"), one("same", "a.py::same", mean=9.0)),
        (one("a\ud800"), one("a\udfff", mean=9.0)),
    ],
    ids=["cut", "equal", "not Unicode"],
)
def test_benchmarks_that_cannot_be_told_apart_are_left_out_and_counted(
    tmp_path: Path, first: Any, second: Any
) -> None:
    file = written(tmp_path, suite(first, one("test_b"), second))
    found, left = read_results(file, "PytestBenchmark")
    assert ([one.name for one in found], left) == (["test_b"], 2)
    with pytest.raises(
        ResultsError, match=r"^the benchmarks must have different names .*: (x|a|same)"
    ):
        read_results(written(tmp_path, suite(first, second)), "PytestBenchmark")


def test_a_name_that_is_not_unicode_is_told_with_question_marks(tmp_path: Path) -> None:
    (found,), _ = read_results(written(tmp_path, suite(one("a\ud800b"))), "PytestBenchmark")
    assert found.name == "a?b"
    for document in (suite({"name": "a\ud800b", "stats": 5}), b'{"benchmarks": "\xed\xa0\x80"}'):
        with pytest.raises(ResultsError) as caught:
            read_results(written(tmp_path, document), "PytestBenchmark")
        str(caught.value).encode()
    with pytest.raises(ResultsError, match=r"metric a\?b is not a mapping"):
        list(k6.read({"metrics": {"a\ud800b": 5}}))


def test_numbers_that_no_suite_measures_are_left_out() -> None:
    most = MAX_VALUE
    assert summary(
        huge={"value": 1.7976931348623157e308},
        least={"value": -1e19},
        edge={"value": most},
        http_req_duration={"avg": most, "min": 1},
    ) == [("edge", {"value": most}), ("http_req_duration", {"min": 1e6})]


def test_no_link_is_followed_no_pipe_waited_for_and_nothing_large_read(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("secret")
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(secret)
    os.mkfifo(pipe)
    with pytest.raises(ResultsError, match="cannot be read: Too many levels of symbolic links"):
        read_bounded(link, 100)
    with pytest.raises(ResultsError, match="are not a regular file"):
        read_bounded(pipe, 100)
    with pytest.raises(ResultsError, match="are not a regular file"):
        read_bounded(tmp_path, 100)
    with pytest.raises(ResultsError, match="did not write"):
        read_bounded(tmp_path / "none", 100)
    with pytest.raises(ResultsError, match="larger than the 0 MiB"):
        read_bounded(secret, 5)
    assert read_bounded(secret, 6) == b"secret"


def test_a_sparse_file_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "results.json").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(ResultsError, match="larger than the 64 MiB"):
        read_results(tmp_path / "results.json", "K6")
