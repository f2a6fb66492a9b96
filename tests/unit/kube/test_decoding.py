"""JSON that is nested deeper than Python can read it."""

import json
import random
import time
from typing import Any

import pytest

from perfrun.kube.decoding import MAX_LEVELS, decode, flattened


def nested(levels: int, brackets: str = "{}") -> bytes:
    opening = b'{"a":' if brackets == "{}" else b"["
    return opening * levels + b"1" + brackets[1].encode() * levels


def depth(value: Any) -> int:
    levels, waiting = 0, [(value, 0)]
    while waiting:
        one, level = waiting.pop()
        levels = max(levels, level)
        if isinstance(one, dict | list):
            items = one.values() if isinstance(one, dict) else one
            waiting += [(item, level + 1) for item in items]
    return levels


@pytest.mark.parametrize("brackets", ["{}", "[]"])
@pytest.mark.parametrize("levels", [300, 1_200, 9_999, 100_000])
def test_what_is_too_deep_is_null_and_the_rest_is_there(levels: int, brackets: str) -> None:
    body = b'{"before":1,"deep":' + nested(levels, brackets) + b',"after":[2,{"b":3}]}'
    value = decode(body)
    assert (value["before"], value["after"]) == (1, [2, {"b": 3}])
    assert depth(value) == MAX_LEVELS


def test_two_deep_values_beside_each_other_are_both_cut() -> None:
    body = b"[" + nested(300) + b"," + nested(300, "[]") + b',"x"]'
    one, other, text = decode(body)
    assert depth([one]) == depth([other]) == MAX_LEVELS
    assert text == "x"


@pytest.mark.parametrize("levels", [1, 150, MAX_LEVELS])
def test_what_is_not_too_deep_is_as_it_was(levels: int) -> None:
    body = nested(levels)
    assert flattened(body) == body
    assert decode(body) == json.loads(body)


def test_brackets_and_quotes_in_texts_are_no_levels() -> None:
    texts = ["[" * 500, '"{[' * 300, "\\" * 301 + '"[{', '\\"]}' * 200, "é[" * 300, ""]
    body = json.dumps({text: [text, {text: text}] for text in texts}).encode()
    assert decode(body) == json.loads(body)


def test_random_documents_are_read_as_json_reads_them() -> None:
    chance = random.Random(4)

    def value(level: int) -> Any:
        match chance.randrange(3 if level < 12 else 1):
            case 0:
                return "".join(chance.choice('ab"\\[]{}é\n,:') for _ in range(chance.randrange(9)))
            case 1:
                return [value(level + 1) for _ in range(chance.randrange(5))]
        return {str(value(99)): value(level + 1) for _ in range(chance.randrange(5))}

    for _ in range(200):
        document = [value(0) for _ in range(5)]
        body = json.dumps(document, ensure_ascii=chance.random() < 0.5).encode()
        assert flattened(body) == body
        assert decode(body) == document


def test_largest_object_of_an_api_server_takes_a_moment() -> None:
    body = b"[" + b",".join([b"[[],{}]"] * 200_000) + b"]"  # 1.6 MB of brackets alone
    began = time.process_time()
    decode(body)
    assert time.process_time() - began < 0.25
