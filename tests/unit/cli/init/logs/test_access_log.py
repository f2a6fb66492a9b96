"""Access logs: the mix, the rate, and what is left out."""

import gzip
import io
import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.api.template import parse
from perfrun.cli.init.draft import SourceError
from perfrun.cli.init.logs import traffic
from perfrun.cli.init.logs.access_log import access_log_draft
from perfrun.cli.init.logs.file import MAX_LINE_LENGTH, LogFile
from perfrun.cli.init.logs.lines import parse_line
from perfrun.cli.init.logs.traffic import MAX_KINDS, Rates, Traffic, normal_path
from perfrun.cli.init.source import SourceFile
from tests.unit.cli.init.given import quiet, read_back
from tests.unit.cli.init.test_texts import NASTY


def line(target="/a", method="GET", status=200, second=0):
    minute, second = divmod(second, 60)
    return (
        f"192.0.2.1 - joe [24/Nov/2026:10:{minute:02}:{second:02} +0100] "
        f'"{method} {target} HTTP/1.1" {status} 12 "https://ref.example/" "agent"'
    )


class Lines:
    cut_off = False

    def __init__(self, *texts):
        self.texts = texts

    def lines(self):
        return iter(text.encode("utf-8", "replace") + b"\n" for text in self.texts)


def draft(*texts, writes=False, top=20, url=""):
    return access_log_draft(
        Lines(*texts), source="a.log", name="traffic", url=url, writes=writes, top=top
    )


def paths(*texts, **more):
    (test,) = read_back(draft(*texts, **more))
    return {s.steps[0].http.path: s.weight for s in test.spec.scenarios}


def test_weights_are_shares_of_a_thousand():
    assert paths(*[line("/a")] * 3, line("/b")) == {"/a": 750, "/b": 250}


def test_ids_are_those_of_the_log():
    assert paths(line("/items/1"), line("/items/22"), line("/items/1")) == {
        "/items/$(choice('1', '22'))": 1000
    }


def test_several_ids_stay_together():
    assert list(paths(line("/users/7/orders/9/lines"), line("/users/8/orders/19/lines"))) == [
        "/users/$(choice('7/orders/9', '8/orders/19'))/lines"
    ]


def test_queries_are_those_of_the_log_without_secrets():
    first, second = line("/s?q=a&token=x1"), line("/s?q=b&token=x2")
    found = draft(first, second)
    assert found.scenarios[0].steps[0].path == "/s?q=$(choice('a', 'b'))"
    assert "Not copied: values of the parameters token, which look like secrets." in found.notes


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/items/42/parts", "/items/{id}/parts"),
        ("/u/9b2d7f0a-4c1e-4b6a-9e51-0f6f3a5a1c11", "/u/{id}"),
        ("/commit/3fa9c01b2", "/commit/{id}"),
        ("/shop/summer-sale-2026", "/shop/summer-sale-2026"),
        ("/static/app.3f2a1b9c8d7e6f5a.js", "/static/app.3f2a1b9c8d7e6f5a.js"),
        ("/reset/Zm9vYmFyMTIzNDU2Nzg5", None),
        ("/verify/eyJhbGciOiJIUzI1NiJ9.e30.abc", None),
    ],
)
def test_paths_that_differ_in_ids_are_of_one_kind(path, kind):
    assert normal_path(path) == kind


def test_the_rate_is_that_of_the_log():
    texts = [line(second=0)] * 2 + [line(second=1)] * 2 + [line(second=5)] * 10
    (test,) = read_back(draft(*texts))
    normal, busy = test.spec.load.open.stages  # type: ignore[misc]
    assert (normal.rate, busy.rate) == (2.0, 10.0)
    (test,) = read_back(draft(line(second=0), line(second=9)))
    assert [stage.rate for stage in test.spec.load.open.stages] == [1.0]


def test_what_is_left_out_is_told():
    found = draft(
        *[line()] * 6,
        line("/x", status=404),
        line("/b", "POST", 201),
        line("/r/" + "a1" * 10),
        "??",
    )
    assert found.notes == (
        "From a.log: 9 requests from 2026-11-24 09:00 to 2026-11-24 09:00; below: 1 kind, 66.7% of "
        "them.",
        "Left out: 1 request with a status other than 2xx or 3xx.",
        "Left out: 1 request with methods that change data (--writes).",
        "Left out: 1 request with a path that seems to contain a token.",
        "Not read: 1 of 10 lines.",
    )


def test_writes_have_no_body_and_say_so():
    found = draft(line("/b", "POST", 201), writes=True)
    assert any("Logs contain no bodies" in note for note in found.scenarios[0].steps[0].notes)


def test_the_top_ones_are_taken():
    texts = [line(f"/{name}") for name in "abcde" for _ in range(ord(name))]
    assert list(paths(*texts, top=2)) == ["/e", "/d"]


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ([], "has no lines"),
        (
            ["hello", "world"],
            "is nothing that init reads .an OpenAPI document, .* an access log, none of its 2 lines is in",
        ),
        ([line(status=500)], "none of 1 requests can be used"),
    ],
)
def test_what_is_no_access_log_is_told(texts, sentence):
    with pytest.raises(SourceError, match=sentence):
        draft(*texts)


@pytest.mark.parametrize(
    "value",
    [
        {"method": "GET", "uri": "/a", "status": 200, "time": "2026-11-24T09:00:00Z"},
        {"request": "GET /a HTTP/1.1", "status": "200", "time_iso8601": "2026-11-24T10:00:00+01:00"},
        {"ts": 1795510800.25, "request": {"method": "GET", "uri": "/a"}, "status": 200},
        {"RequestMethod": "GET", "RequestPath": "/a", "DownstreamStatus": 200,
         "time": "2026-11-24T09:00:00Z"},
        {"method": "GET", "path": "/a", "response_code": 200, "start_time": 1795510800000},
        {"request_method": "GET", "request_uri": "/a", "status": "200", "msec": "1795510800.000"},
    ],
)  # fmt: skip
def test_lines_of_json(value):
    assert parse_line(json.dumps(value).encode()) == ("GET", "/a", 200, 1795510800)


def test_common_and_combined_format():
    assert parse_line(line().encode()) == ("GET", "/a", 200, 1795510800)
    common = b'h - - [24/Nov/2026:09:00:00 +0000] "GET /a HTTP/1.0" 200 -'
    assert parse_line(common) == ("GET", "/a", 200, 1795510800)
    with_host = b'shop.example:443 h - - [24/Nov/2026:09:00:00 +0000] "GET /a HTTP/2.0" 200 5'
    assert parse_line(with_host) == ("GET", "/a", 200, 1795510800)


@given(NASTY, st.lists(NASTY, min_size=1, max_size=4))
def test_any_path_reads_back(path, queries):
    texts = [line(f"/{path}?{query}") for query in queries]
    try:
        found = draft(*texts, line("/fine"))
    except SourceError:
        return
    (test,) = read_back(found)
    for scenario in test.spec.scenarios:
        parse(scenario.steps[0].http.path or "")


@given(st.lists(st.one_of(st.binary(max_size=60), NASTY.map(lambda text: line(text).encode(
    "utf-8", "replace"))), max_size=5))  # fmt: skip
def test_any_line_is_read_or_not(texts):
    for text in texts:
        Traffic().add(parse_line(text))


@given(st.recursive(st.one_of(st.none(), st.integers(), st.floats(), NASTY),
                    lambda inner: st.dictionaries(st.sampled_from(
                        ["method", "uri", "status", "time", "request", "ts"]), inner)))  # fmt: skip
def test_any_json_is_read_or_not(value):
    Traffic().add(parse_line(b"{" + json.dumps(value).encode()[1:]))


def test_memory_is_bounded_whatever_the_log_holds(monkeypatch):
    most = MAX_KINDS // 10
    monkeypatch.setattr(traffic, "MAX_KINDS", most)

    def lines():
        yield from (line("/often").encode() for _ in range(2 * most))
        for number in range(3 * most):
            text = f"/p{number}x/{'y' * 100}"
            yield line(text, second=number % 3600).encode()

    seen = Traffic()
    tracemalloc.start()
    for text in lines():
        seen.add(parse_line(text))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(seen.kinds) <= most
    assert max(kind.count for kind in seen.kinds.values()) == 2 * most
    # 60 MB for as many as there may be: a tenth is held to a tenth, because each line costs.
    assert peak * MAX_KINDS / most < 60_000_000


def test_seconds_out_of_order_are_counted_once_and_old_ones_are_let_go():
    rates = Rates()
    for second in [*range(5000), *range(4800, 5000)]:
        rates.add(second)
    assert rates.median_and_peak() == (1.0, 2.0)
    assert rates.span == (0, 4999)


def read(file: Path | str) -> tuple[list[bytes], LogFile, io.StringIO]:
    console, said = quiet()
    with SourceFile(str(file)) as source, LogFile(source, console) as log:
        return list(log.lines()), log, said


def test_files_may_be_gzip_whatever_they_are_called(tmp_path):
    file = tmp_path / "access.log"
    file.write_bytes(gzip.compress(b"one\ntwo\n", mtime=0))
    assert read(file)[0] == [b"one\n", b"two\n"]
    file.write_bytes(b"one\ntwo")
    assert read(file)[0] == [b"one\n", b"two"]


def test_a_gzip_file_that_is_cut_off_is_used_as_far_as_it_goes(tmp_path):
    whole = gzip.compress("\n".join(str(number) for number in range(100_000)).encode())
    file = tmp_path / "a.gz"
    file.write_bytes(whole[: len(whole) // 2])
    lines, log, _ = read(file)
    assert lines[:2] == [b"0\n", b"1\n"]
    assert log.cut_off
    assert "damaged or truncated" in access_log_draft(
        _Cut(), source="a.gz", name="x", url="", writes=False, top=1
    ).notes[-1]  # fmt: skip


class _Cut(Lines):
    cut_off = True

    def __init__(self):
        super().__init__(line())


def test_a_line_without_end_is_read_in_part(tmp_path):
    file = tmp_path / "a.log"
    file.write_bytes(b"x" * (3 * MAX_LINE_LENGTH) + b"\nnext\n")
    lines, _, _ = read(file)
    assert [len(one) for one in lines] == [MAX_LINE_LENGTH, 5]


def test_a_file_that_is_not_there():
    with pytest.raises(SourceError, match="cannot be read"):
        read("/nope/access.log")
    with pytest.raises(SourceError, match="cannot be read: Is a directory"):
        read("/tmp")


def read_line(text):
    return parse_line(text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize(
    ("shown", "target"),
    [
        (rb"/find?q=\x22a\x22", '/find?q="a"'),  # nginx
        (rb"/find?q=\"a\"&b=\\c", '/find?q="a"&b=\\c'),  # Apache
        (rb"/k\xC3\xB6ln", "/köln"),
        (rb"/k\xF6ln", "/k%F6ln"),  # no UTF-8
        (b"/k\xf6ln", "/k%F6ln"),
        ("/köln".encode(), "/köln"),
        (rb"/a\tb", "/a\tb"),
        (b"/a%20b?x=%22", "/a%20b?x=%22"),
    ],
)
def test_targets_are_what_was_asked_for_and_not_how_the_log_writes_it(shown, target):
    text = b'2001:db8::1 - - [24/Nov/2026:10:00:00 +0100] "GET ' + shown + b' HTTP/1.1" 200 5 "-"'
    assert read_line(text).target == target
    (written,) = paths(text.decode("latin-1")) if text.isascii() else [None]
    assert written is None or parse(written)


TEN = 1_795_514_400  # 2026-11-24 10:00:00 UTC


@pytest.mark.parametrize(
    "moment",
    [
        "24/Nov/2026:10:00:00 +0000",
        "24/Nov/2026:15:30:00.123456 +0530",
        "2026-11-24T10:00:00.310Z",
        "2026-11-24T10:00:00+00:00",
        "2026-11-24T05:00:00.123456789-0500",
        "2026/11/24 10:00:00",
    ],
)
def test_times_with_their_zones(moment):
    common = f'192.0.2.1 - - [{moment}] "GET / HTTP/2.0" 200 1'
    assert read_line(common).second == TEN
    fields = {"method": "GET", "uri": "/", "status": 200, "ts": moment}
    assert read_line(json.dumps(fields)).second == TEN


@pytest.mark.parametrize(
    "moment", [TEN, TEN + 0.5, TEN * 1000, TEN * 10**6, TEN * 10**9, f"{TEN}.123", f"{TEN}000"]
)
def test_times_as_numbers(moment):
    fields = {"time": 0.012, "method": "GET", "uri": "/", "status": "200", "ts": moment}
    assert read_line(json.dumps(fields)).second == TEN


@pytest.mark.parametrize(
    ("fields", "target", "status"),
    [
        # nginx: $uri is what it became, without its query.
        ({"uri": "/index.php", "request_uri": "/a?b=1", "status": "200"}, "/a?b=1", 200),
        ({"uri": "/a", "args": "b=1", "status": "200"}, "/a?b=1", 200),
        ({"uri": "/a", "args": "-", "status": "200"}, "/a", 200),
        # Apache: %q brings its mark.
        ({"path": "/a", "query": "?b=1", "status": 200}, "/a?b=1", 200),
        ({"path": "/a", "query": "", "status": 200}, "/a", 200),
        # Envoy, whose 0 is no answer.
        ({"path": "/a?b=1", "response_code": 0, "authority": "x"}, "/a?b=1", 0),
        ({"path": "/rewritten", "x_envoy_original_path": "/a", "response_code": "503"}, "/a", 503),
        # Caddy, pino, Google Cloud.
        ({"request": {"method": "GET", "uri": "/a?b"}, "status": 204}, "/a?b", 204),
        ({"req": {"method": "GET", "url": "/a"}, "res": {"statusCode": 201}}, "/a", 201),
        ({"httpRequest": {"requestMethod": "GET", "requestUrl": "/a", "status": 200}}, "/a", 200),
        ({"request": "GET /a?b HTTP/1.1", "status": 200, "uri": "/x"}, "/a?b", 200),
    ],
)
def test_fields_of_json_lines(fields, target, status):
    nested = any(name in fields for name in ("request", "req", "httpRequest"))
    method = {} if nested else {"method": "GET"}
    found = read_line(json.dumps({"time": "2026-11-24T10:00:00Z", **method, **fields}))
    assert (found.method, found.target, found.status) == ("GET", target, status)


def test_json_that_nginx_writes_without_its_escapes_for_json():
    text = rb'{"time":"2026-11-24T10:00:00Z","request":"GET /k\xC3\xB6ln?q=\x22a HTTP/1.1",'
    found = read_line(text + rb'"status":"200","agent":"a\\\\x41 \x5C"}')
    assert found.target == '/köln?q="a'


def test_a_target_whose_bytes_are_lost_is_not_guessed():
    caddy = {"ts": 1e9, "status": 200, "request": {"method": "GET", "uri": "/k\ufffdln"}}
    assert "Not read: 1 of 2 lines." in draft(line("/a"), json.dumps(caddy)).notes


def test_requests_without_an_answer_are_left_out_and_told():
    envoy = '[2026-11-24T10:00:00.310Z] "GET /gone HTTP/2" 0 DC 154 0 226 100 "10.0.35.28" "agent"'
    upgrade = line("/socket", status=101)
    apache = line("/late").replace('" 200 ', '" - ')
    told = draft(line("/a"), envoy, upgrade, apache)
    assert len(told.scenarios) == 1
    assert "Left out: 3 requests with a status other than 2xx or 3xx." in told.notes
