"""Names that follow from those of tests."""

import re

import pytest

from perfrun.api.names import DNS_LABEL, TEST_NAME_MAX
from perfrun.pytest_plugin.files import file_stem, perftest_name


@pytest.mark.parametrize(
    ("node_id", "name"),
    [
        ("tests/test_api.py::test_reads_list", "reads-list"),
        ("tests/test_api.py::TestShop::test_reads[eu-2]", "reads-eu-2"),
        ("test_api.py::test_ÄÖ", "test"),
        ("test_api.py::test_", "test"),
        ("test_api.py::" + "x" * 300, "x" * 40),
        ("test_api.py::test_x[a::b]", "b"),
        ("", "test"),
    ],
)
def test_a_run_is_named_like_its_test(node_id: str, name: str):
    assert perftest_name(node_id) == name
    assert re.match(DNS_LABEL, name)
    assert len(name) <= TEST_NAME_MAX


def test_files_are_named_like_their_test():
    assert file_stem("tests/test_api.py::test_reads", 1) == "tests.test_api-test_reads"
    assert file_stem("tests/test_api.py::test_reads", 2) == "tests.test_api-test_reads-2"
    assert file_stem("test_api.py::TestShop::test_reads", 1) == "test_api-TestShop-test_reads"


def test_no_two_tests_share_files():
    node_ids = [
        "a/test_b.py::test_c",
        "a.test_b.py::test_c",
        "a/test_b.py::test_c[1/2]",
        "a/test_b.py::test_c[1-2]",
        "a/test_b.py::test_c-1-2",
        "a/test_b.py::" + "c" * 300,
        "a/test_b.py::" + "c" * 301,
        "../../etc/passwd",
        "",
    ]
    stems = [file_stem(node_id, 1) for node_id in node_ids]
    assert len(set(stems)) == len(stems)
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,120}", stem) for stem in stems)
