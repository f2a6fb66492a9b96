"""Manifests that nobody would write, made of those that we show, the same ones for a seed."""

import copy
import random
from typing import Any

import yaml

from tests.integration.documented import shown_manifests

Json = dict[str, Any]
Place = tuple[Any, Any]
"""A container, and the key or index in it."""

_TEXTS = (
    "", " ", "0", "-1", "1e9", "NaN", "5", "5ms", "5 ms", "100%", "101%", "-5%", "10/s", "0/s", "1e400/s",
    "99999999999h", "*/5 * * * *", "0 0 30 2 *", "@reboot", "Europe/Berlin", "Mars/Olympus", "$(", "$(now())",
    "$(nope)", "$$(x)", "{{ x }}", "${x}", "http://", "http://[::1", "http://a b/", "ftp://shop/", "http://shop:99999",
    "http://u:p@shop/", "//shop", "/..//%zz", "a" * 300, "ä\u202e\u0000".replace("\u0000", "\u0001"), "💥" * 50,
    "true", "null", "~", "yes", "0x10", "1_000", "$.a[?(@.b==1)]", "$..*", "(((((a+)+)+)+)+)$", "\r\nX: y", "'; --",
)  # fmt: skip
_NUMBERS = (0, 1, -1, 2, 1000, 1001, 10**9, 2**31, 2**53, -(2**63), 0.5, 1e-9, 1e300)


def bases() -> list[Json]:
    """All PerfTests of examples and documents, and one of each kind of load."""
    documents = [doc for shown in shown_manifests() for doc in yaml.safe_load_all(shown.text)]
    return [doc for doc in documents if doc and doc.get("kind") == "PerfTest"]


def mutant(seed: int, sources: list[Json]) -> Json:
    """The manifest of a seed: a base with one to four changes in its spec."""
    chance = random.Random(seed)
    body = copy.deepcopy(chance.choice(sources))
    body["metadata"] = {"name": f"mutant-{seed}"}
    for _ in range(chance.choice((1, 1, 2, 4))):
        places = list(_places(body["spec"]))
        if not places:
            break
        container, key = chance.choice(places)
        _change(chance, container, key, sources)
    return body


def _change(chance: random.Random, container: Any, key: Any, sources: list[Json]) -> None:
    if chance.random() < 0.6:
        _plausible(chance, container, key, sources)
        return
    match chance.randrange(8):
        case 0:
            del container[key]
        case 1 | 2:
            container[key] = chance.choice(_TEXTS)
        case 3:
            container[key] = chance.choice(_NUMBERS)
        case 4:
            container[key] = chance.choice((None, True, [], {}, [[]], {"a": {"b": {}}}))
        case 5:
            # What stands at some other place of another manifest.
            other, where = chance.choice(list(_places(chance.choice(sources)["spec"])))
            container[key] = copy.deepcopy(other[where])
        case 6 if isinstance(container, list):
            container.extend(copy.deepcopy(container[key]) for _ in range(chance.choice((1, 60))))
        case 6:
            container[chance.choice(("xyz", "Url", "load", "http"))] = copy.deepcopy(container[key])
        case 7:
            value = container[key]
            container[key] = value * 3 if isinstance(value, str) else [value]


def _plausible(chance: random.Random, container: Any, key: Any, sources: list[Json]) -> None:
    """Another value that stands under this name somewhere, or a number that is not far away."""
    value = container[key]
    if isinstance(value, int) and not isinstance(value, bool):
        container[key] = chance.choice((value + 1, value * 2, max(value // 2, 1)))
        return
    alike = [
        other[where]
        for source in sources
        for other, where in _places(source["spec"])
        if where == key and type(other[where]) is type(value)
    ]
    # Not even its own, where it was changed before.
    container[key] = copy.deepcopy(chance.choice(alike or [None]))


def _places(value: Any) -> list[Place]:
    found: list[Place] = []
    if isinstance(value, dict | list):
        keys = list(value) if isinstance(value, dict) else range(len(value))
        for key in keys:
            found.append((value, key))
            found += _places(value[key])
    return found
