"""The worst that a tenant has found to write, as JSON texts of PerfTests."""

import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

PLAIN: Json = {
    "target": {"http": {"url": "http://shop/health"}},
    "load": {"burst": {"requests": 100, "concurrency": 10}},
    "runOn": [],
}
DEEP = "deep below"
"""Stands where a nested value is put into the text: Python's own writer gives up before."""


def manifest(name: str, deep: str = "", **spec: Any) -> str:
    """The text of a PerfTest."""
    body = {
        "apiVersion": "perfrun.dev/v1alpha1",
        "kind": "PerfTest",
        "metadata": {"name": name},
        "spec": {**PLAIN, **spec},
    }
    return json.dumps(body).replace(f'"{DEEP}"', deep)


def name_of(text: str) -> str:
    """The name in such a text."""
    return text.split('"metadata": {"name": "')[1].split('"')[0]


def steps(many: list[Json]) -> list[Json]:
    """Scenarios of fifty steps each."""
    return [{"name": f"part{n}", "steps": many[n : n + 50]} for n in range(0, len(many), 50)]


CLASS = "[!-\U0010ffff]"


def regexes() -> Iterator[str]:
    """Twelve case-blind expressions of classes over all of Unicode, 505 characters each."""
    patterns = [("(?i)" + CLASS * 100)[:504] + chr(0x4E00 + n) for n in range(12)]
    many = [
        {"name": f"s{n}", "extract": {f"v{n}": {"regex": text}}} for n, text in enumerate(patterns)
    ]
    yield manifest("regexes", scenarios=steps(many))


def allowed_regexes() -> Iterator[str]:
    """As many as the schema lets through, of classes as it lets them through."""
    extract = [
        {f"v{s}x{n}": {"regex": f"(?i){CLASS * 16}{s}x{n}"} for n in range(20)} for s in range(20)
    ]
    many = [{"name": f"s{s}", "extract": found} for s, found in enumerate(extract)]
    yield manifest("classes", scenarios=steps(many))


def unknown_names() -> Iterator[str]:
    """500 names that nothing gives, each of them like 64 that are there."""
    variables = {f"variable_of_this_test_number_{n:03}": "x" for n in range(64)}
    paths = ["/" + "".join(f"$(variable_of_this_test_nunber_{n * 10 + m:03})" for m in range(10))
             for n in range(50)]  # fmt: skip
    many = [{"name": f"s{n}", "http": {"path": path}} for n, path in enumerate(paths)]
    yield manifest("names", variables=variables, scenarios=steps(many))


def json_paths() -> Iterator[str]:
    """Paths that take long to be read."""
    path = "$[?" + "!" * 400 + "@.a]"
    many = [
        {"name": f"s{s}", "expect": {"json": {f"{path}{' ' * n}": 1 for n in range(20)}}}
        for s in range(50)
    ]
    yield manifest("paths", scenarios=steps(many))


def large() -> Iterator[str]:
    """Thirty that are valid, of 750 KiB each."""
    for n in range(30):
        many = [
            {"name": f"s{k}", "http": {"method": "POST", "body": "x" * 250_000}} for k in range(3)
        ]
        yield manifest(f"large-{n}", scenarios=steps(many))


def brackets() -> Iterator[str]:
    """An object of nothing but small parts."""
    deep = "[" + ",".join(["[[],{}]"] * 90_000) + "]"
    many = [{"name": "x", "http": {"method": "POST", "json": DEEP}}]
    yield manifest("brackets", deep, scenarios=steps(many))


def nested(levels: int) -> Iterator[str]:
    """One value inside of the other."""
    deep = '{"a":' * levels + "1" + "}" * levels
    many = [{"name": "x", "http": {"method": "POST", "json": DEEP}}]
    yield manifest(f"nested-{levels}", deep, scenarios=steps(many))


def nested_affinity(levels: int) -> Iterator[str]:
    """The same, where a pod would have it."""
    deep = '{"a":' * levels + "1" + "}" * levels
    yield manifest(f"affinity-{levels}", deep, podTemplate={"affinity": DEEP})
