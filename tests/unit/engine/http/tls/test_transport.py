"""TLS of our own over a plain transport: what peers may do to it, and sessions that are resumed."""

import asyncio
import contextlib
import os
import random
import socket
import ssl
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfrun.engine.errors import ErrorClass, OpenError
from perfrun.engine.http.pool import Origin, Pool, Security
from perfrun.engine.http.tls.handshake import Handshake
from perfrun.engine.http.tls.transport import Secured
from perfrun.logic.plan.network import ANYWHERE
from tests.unit.engine.conftest import Run
from tests.unit.engine.http.test_request import Files
from tests.unit.engine.http.tls.test_settings import CA_FROM, certificate, server_context
from tests.unit.engine.server import answer, burst, plan, running, step
from tests.unit.engine.tls_peer import ANSWER, TlsPeer, request, serve, tls_peer

TRUSTING = {"insecureSkipVerify": True}
OPEN_ENDED = b"HTTP/1.1 200 OK\r\n\r\nuntil the end"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
CLIENTS_CERTIFICATE = {"clientCertificateFrom": {"secretRef": {"name": "shop"}}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a certificate for localhost and its key."""
    made = tmp_path_factory.mktemp("tls")
    server_context(made, certificate("localhost"))
    return made


def context_of(folder: Path, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def pool_to(port: int, timeout: int = 5_000_000_000) -> Pool:
    return Pool(Origin("https", "127.0.0.1", port), Security(trusting(), None), timeout, ANYWHERE)


# --- the end of a connection ------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_that_ends_with_the_connection_is_whole_only_if_the_end_was_announced(
    run: Run, folder: Path, version: ssl.TLSVersion, announced: bool
) -> None:
    def talk(_: TlsPeer, sock: ssl.SSLSocket) -> None:
        request(sock)
        sock.sendall(OPEN_ENDED)
        if announced:
            sock.unwrap()
        else:
            sock.shutdown(socket.SHUT_WR)
            sock.recv(1)

    async with tls_peer(context_of(folder, version), talk) as peer:
        report = await run(plan(peer.url, burst(2), tls=TRUSTING))
    (got,) = report.window.steps
    assert (got.succeeded, got.errors) == ((2, {}) if announced else (0, {"Reset": 2}))


@pytest.mark.parametrize("answered", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"])
async def test_an_end_before_the_answer_is_whole_is_a_reset(
    run: Run, folder: Path, answered: bytes
) -> None:
    def talk(_: TlsPeer, sock: ssl.SSLSocket) -> None:
        request(sock)
        sock.sendall(answered)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    async with tls_peer(context_of(folder), talk) as peer:
        report = await run(plan(peer.url, burst(2), tls=TRUSTING))
    assert report.window.steps[0].errors == {"Reset": 2}


async def test_the_client_says_goodbye(run: Run, folder: Path) -> None:
    async with tls_peer(context_of(folder)) as peer:
        await run(plan(peer.url, burst(3), tls=TRUSTING, connections="PerRequest"))
    assert peer.ends == ["goodbye"] * 3


async def test_a_goodbye_ends_a_connection_though_tcp_stays_open(run: Run, folder: Path) -> None:
    gone: list[bytes] = []

    def talk(_: TlsPeer, sock: ssl.SSLSocket) -> None:
        request(sock)
        sock.sendall(ANSWER)
        sock.unwrap()  # waits for the client's goodbye
        gone.append(socket.socket.recv(sock, 1))

    # A user's next request may be on its way already when the goodbye comes.
    again = {"limit": 3, "errors": ["Reset"]}
    async with tls_peer(context_of(folder), talk) as peer:
        report = await run(plan(peer.url, burst(3), tls=TRUSTING, retries=again))
    assert report.window.steps[0].succeeded == 3
    assert len(peer.resumed) >= 3
    assert set(gone) <= {b""}


# --- handshakes -------------------------------------------------------------------------------


async def test_a_failed_verification_says_why_on_both_sides(folder: Path) -> None:
    async with tls_peer(context_of(folder)) as peer:
        pool = Pool(
            Origin("https", "127.0.0.1", peer.port),
            Security(ssl.create_default_context(), "localhost"),
            5_000_000_000,
            ANYWHERE,
        )
        with pytest.raises(OpenError) as raised:
            await pool.open()
    assert raised.value.reason is ErrorClass.TLS
    assert raised.value.message == f"TLS with 127.0.0.1:{peer.port} failed: self-signed certificate"
    assert "unknown ca" in str(peer.failures[0]).lower().replace("_", " ")


@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/2"])
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_missing_client_certificate_is_tls(
    run: Run, folder: Path, version: ssl.TLSVersion, protocol: str
) -> None:
    """In TLS 1.3 the server says so after the client's handshake is over."""
    context = context_of(folder, version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(folder / "tls.crt")
    async with tls_peer(context) as peer:
        report = await run(plan(peer.url, burst(2), tls=TRUSTING, protocol=protocol))
    assert report.window.steps[0].errors == {"TLS": 2}


async def test_the_name_is_told_to_the_server(run: Run, folder: Path) -> None:
    names: list[str | None] = []
    context = context_of(folder)
    context.sni_callback = lambda _sock, name, _context: names.append(name)
    tls = {**CA_FROM, "serverName": "localhost"}
    async with tls_peer(context) as peer:
        ca = (folder / "tls.crt").read_text()
        report = await run(plan(peer.url, burst(1), tls=tls), Files(ca=ca))
    assert (report.window.steps[0].succeeded, names) == (1, ["localhost"])


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_peer_that_trickles_is_understood(
    run: Run, folder: Path, version: ssl.TLSVersion
) -> None:
    async with tls_peer(context_of(folder, version)) as peer, trickling(peer.port) as port:
        report = await run(plan(f"https://127.0.0.1:{port}", burst(2), tls=TRUSTING))
    assert report.window.steps[0].succeeded == 2


async def test_a_peer_that_never_answers_the_handshake_is_given_up(run: Run) -> None:
    left: list[bytes] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left.append(await reader.read())  # up to the end
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"https://127.0.0.1:{port}"
        report = await run(plan(url, burst(2), tls=TRUSTING, connectTimeout="50ms"))
        await asyncio.sleep(0.05)
    assert report.window.steps[0].errors == {"Connect": 2}
    assert len(left) == 2, "the connections were closed"


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"\x16\x03\x01\xff\xff", b"\x00" * 64]
)
async def test_what_is_no_handshake_is_tls(run: Run, said: bytes) -> None:
    async def strange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(said)
        writer.close()

    async with await asyncio.start_server(strange, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        report = await run(plan(f"https://127.0.0.1:{port}", burst(2), tls=TRUSTING))
    assert report.window.steps[0].errors == {"TLS": 2}


async def test_a_peer_that_hangs_up_in_the_handshake_is_tls() -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.transport.abort()

    async with await asyncio.start_server(rude, "127.0.0.1", 0) as server:
        with pytest.raises(OpenError) as raised:
            await pool_to(server.sockets[0].getsockname()[1]).open()
    assert raised.value.reason is ErrorClass.TLS
    assert "closed the connection during the handshake" in raised.value.message


async def test_garbage_after_the_handshake_is_tls(run: Run, folder: Path) -> None:
    def talk(peer: TlsPeer, sock: ssl.SSLSocket) -> None:
        request(sock)
        os.write(sock.fileno(), b"\x17\x03\x03\x00\x20" + bytes(32))  # a record by nobody's key
        try:
            sock.recv(1)
        except ssl.SSLError as error:
            peer.ends.append(str(error.reason).lower().replace("_", " "))

    async with tls_peer(context_of(folder), talk) as peer:
        report = await run(plan(peer.url, burst(2), tls=TRUSTING))
    assert report.window.steps[0].errors == {"TLS": 2}
    assert len(peer.ends) == 2
    assert all("bad record mac" in end for end in peer.ends), "the client says why"


# --- bodies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_large_bodies_go_both_ways(run: Run, folder: Path, version: ssl.TLSVersion) -> None:
    size = 3_000_000
    big = random.Random(1).randbytes(size)
    async with running(context_of(folder, version), big=answer(body=big)) as server:
        down = step("/big", "down", expect={"maxBytes": size})
        up = step("/up", "up", method="POST", body="x" * 250_000)
        report = await run(plan(server.url, burst(4, 2), down, up, tls=TRUSTING))
    assert [got.succeeded for got in report.window.steps] == [4, 4]
    assert report.window.steps[0].bytes_received >= 4 * size
    assert [len(seen.body) for seen in server.log if seen.path == "/up"] == [250_000] * 4


async def test_a_slow_reader_is_not_sent_more_than_it_takes(folder: Path) -> None:
    """And what it has not taken is not held twice: it is encrypted when it goes out."""
    body, sent = b"y" * 8_000_000, asyncio.Event()
    seen: list[int] = []

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await sent.wait()
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        seen.append(len(await reader.readexactly(len(body))))
        writer.close()

    async with await asyncio.start_server(slow, "127.0.0.1", 0, ssl=context_of(folder)) as server:
        plain, secured, _ = await connected(server.sockets[0].getsockname()[1])
        secured.write(body[:1000])
        secured.write(body[1000:])
        for _ in range(20):
            await asyncio.sleep(0)
        assert 0 < plain.get_write_buffer_size() < 1_000_000
        sent.set()
        async with asyncio.timeout(10):
            while not seen:
                await asyncio.sleep(0.01)
        secured.abort()
    assert seen == [len(body)]


# --- after the handshake ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "command"),
    [
        pytest.param("-tls1_3", b"k\n", id="new keys of the server"),
        pytest.param("-tls1_3", b"K\n", id="new keys of both"),
        pytest.param("-tls1_2", b"r\n", id="renegotiation"),
    ],
)
async def test_keys_change_on_the_way(folder: Path, flag: str, command: bytes) -> None:
    """OpenSSL's own server does so on command, between two requests and within an answer."""
    async with s_server(folder, flag) as (process, port):
        _, secured, ear = await connected(port)
        for turn in range(3):
            secured.write(b"request %d\n" % turn)
            await said_by(process, b"request %d\n" % turn)
            assert process.stdin is not None
            process.stdin.write(command)
            await process.stdin.drain()
            await asyncio.sleep(0.1)  # a command is read alone
            process.stdin.write(b"answer %d\n" % turn)
            async with asyncio.timeout(5):
                while b"answer %d\n" % turn not in ear.heard:
                    await asyncio.sleep(0.01)
        assert not secured.is_closing()
        secured.abort()


# --- sessions ---------------------------------------------------------------------------------

REUSING = {**TRUSTING, "sessionReuse": True}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("connections", ["PerRequest", "PerUser"])
async def test_a_session_is_resumed_where_that_is_asked_for(
    run: Run, folder: Path, version: ssl.TLSVersion, connections: str
) -> None:
    def once(_: TlsPeer, sock: ssl.SSLSocket) -> None:
        request(sock)
        sock.sendall(ANSWER.replace(b"200 OK\r\n", b"200 OK\r\nConnection: close\r\n"))
        sock.unwrap()

    talk = serve if connections == "PerRequest" else once
    async with tls_peer(context_of(folder, version), talk) as peer:
        report = await run(plan(peer.url, burst(4), tls=REUSING, connections=connections))
    assert report.window.steps[0].succeeded == 4
    assert peer.resumed == [False, True, True, True]


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_handshake_is_full_unless_asked_otherwise(
    run: Run, folder: Path, version: ssl.TLSVersion
) -> None:
    async with tls_peer(context_of(folder, version)) as peer:
        await run(plan(peer.url, burst(3), tls=TRUSTING, connections="PerRequest"))
    assert peer.resumed == [False] * 3


async def test_a_session_that_the_server_has_forgotten_is_replaced(run: Run, folder: Path) -> None:
    before, after = context_of(folder), context_of(folder)
    contexts = iter([before, before, after, after])  # as after a restart: with other keys
    async with tls_peer(before, renew=lambda: next(contexts)) as peer:
        report = await run(plan(peer.url, burst(4), tls=REUSING, connections="PerRequest"))
    assert report.window.steps[0].succeeded == 4
    assert peer.resumed == [False, True, False, True]


async def test_a_session_with_a_client_certificate_is_resumed(run: Run, folder: Path) -> None:
    context = context_of(folder)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(folder / "tls.crt")
    tls = {**REUSING, **CLIENTS_CERTIFICATE}
    async with tls_peer(context) as peer:
        a_plan = plan(peer.url, burst(3), tls=tls, connections="PerRequest")
        report = await run(a_plan, Files(folder))
    assert report.window.steps[0].succeeded == 3
    assert peer.resumed == [False, True, True]


async def test_many_at_once_agree_on_one_session(run: Run, folder: Path) -> None:
    async with tls_peer(context_of(folder)) as peer:
        report = await run(plan(peer.url, burst(60, 10), tls=REUSING, connections="PerRequest"))
    assert report.window.steps[0].succeeded == 60
    assert peer.resumed.count(False) <= 10


async def test_a_redirect_to_another_origin_offers_no_session(run: Run, folder: Path) -> None:
    pem = (folder / "tls.crt").read_text()
    async with tls_peer(context_of(folder)) as away:

        def talk(_: TlsPeer, sock: ssl.SSLSocket) -> None:
            request(sock)
            there = f"HTTP/1.1 302 X\r\nLocation: {away.url}/\r\nContent-Length: 0\r\n\r\n"
            sock.sendall(there.encode())
            sock.recv(1)

        async with tls_peer(context_of(folder), talk) as home:
            tls = {**CA_FROM, "sessionReuse": True}
            a_plan = plan(home.url, burst(2), tls=tls, connections="PerRequest", redirects=1)
            report = await run(a_plan, Files(ca=pem))
    assert report.window.steps[0].errors == {"TLS": 2}
    assert (home.resumed, away.resumed) == ([False, True], [])


# --- laws -------------------------------------------------------------------------------------


class Wire:
    """A transport that keeps what is written; the other end reads it when it likes."""

    def __init__(self) -> None:
        self.protocol: Any = None
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written += data

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def taken(self) -> bytes:
        data, self.written = self.written, b""
        return data


class Ear(asyncio.Protocol):
    """Keeps what it hears, and how it ends."""

    def __init__(self) -> None:
        self.heard = b""
        self.ended: list[Exception | None] = []
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert data, "nothing is told of nothing"
        self.heard += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.append(exc)


class Pair:
    """A :class:`Secured` and, at the other end of its wire, OpenSSL as the server."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.wire, self.ear = Wire(), Ear()
        handshake = Handshake(self.ear, trusting(), "localhost", None)
        self.wire.protocol = handshake
        handshake.connection_made(self.wire)  # type: ignore[arg-type]
        while not handshake.done.done() or self.wire.written:
            self.incoming.write(self.wire.taken())
            with contextlib.suppress(ssl.SSLWantReadError):
                self.server.do_handshake()
            if self.outgoing.pending:
                self.wire.protocol.data_received(self.outgoing.read())

    @property
    def secured(self) -> Secured:
        assert isinstance(self.wire.protocol, Secured)
        return self.wire.protocol

    def tell(self, messages: list[bytes], *, goodbye: bool) -> bytes:
        """The records that say so."""
        for message in messages:
            at = 0
            while at < len(message):
                at += self.server.write(message[at:])
        if goodbye:
            with contextlib.suppress(ssl.SSLWantReadError):
                self.server.unwrap()
        return self.outgoing.read()

    def hear(self) -> bytes:
        """What the client has written so far."""
        self.incoming.write(self.wire.taken())
        heard = b""
        with contextlib.suppress(ssl.SSLWantReadError):
            while part := self.server.read(65536):
                heard += part
        return heard


sizes = st.lists(st.sampled_from([1, 2, 100, 16_383, 16_384, 16_385, 40_000, 90_000]), max_size=4)
cuts = st.lists(st.integers(0, 200_000), max_size=12)


@settings(max_examples=40, deadline=None)
@given(sizes, cuts, st.booleans(), st.sampled_from(VERSIONS))
def test_however_records_are_cut_the_same_is_read(
    folder: Path, lengths: list[int], at: list[int], goodbye: bool, version: ssl.TLSVersion
) -> None:
    async def check() -> None:
        pair = Pair(context_of(folder, version))
        said = [random.Random(length).randbytes(length) for length in lengths]
        records = pair.tell(said, goodbye=goodbye)
        edges = sorted({0, len(records), *(cut for cut in at if cut < len(records))})
        for begin, end in pairwise(edges):
            if not pair.wire.closed:
                pair.wire.protocol.data_received(records[begin:end])
        assert pair.ear.heard == b"".join(said)
        assert pair.wire.closed is goodbye
        pair.wire.protocol.eof_received()
        pair.wire.protocol.connection_lost(None)
        (end_,) = pair.ear.ended
        assert (end_ is None) is goodbye

    asyncio.run(check())


@settings(max_examples=40, deadline=None)
@given(sizes, st.lists(st.booleans(), min_size=8, max_size=8))
def test_whenever_the_transport_is_full_the_same_is_written(
    folder: Path, lengths: list[int], full: list[bool]
) -> None:
    async def check() -> None:
        pair = Pair(context_of(folder))
        said = [random.Random(length).randbytes(length) for length in lengths]
        heard = b""
        for message, pause in zip(said, full, strict=False):
            (pair.secured.pause_writing if pause else pair.secured.resume_writing)()
            before = len(pair.wire.written)
            pair.secured.write(message)
            assert len(pair.wire.written) == before or not pause
            heard += pair.hear()
        pair.secured.resume_writing()
        assert heard + pair.hear() == b"".join(said)

    asyncio.run(check())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 400), st.integers(1, 255))
def test_a_changed_byte_is_never_taken_for_an_answer(folder: Path, at: int, change: int) -> None:
    async def check() -> None:
        pair = Pair(context_of(folder))
        pair.wire.protocol.data_received(pair.tell([b"known"], goodbye=False))
        records = bytearray(pair.tell([b"x" * 200], goodbye=False))
        records[at % len(records)] ^= change
        pair.wire.protocol.data_received(bytes(records))
        assert pair.ear.heard == b"known"

    asyncio.run(check())


# --- helpers ----------------------------------------------------------------------------------


async def connected(port: int) -> tuple[asyncio.Transport, Any, Ear]:
    """A connection: its plain transport, what is secured on it, and who listens."""
    ear = Ear()
    handshake = Handshake(ear, trusting(), "localhost", None)
    loop = asyncio.get_running_loop()
    plain, _ = await loop.create_connection(lambda: handshake, "127.0.0.1", port)
    await handshake.done
    return plain, ear.transport, ear


@contextlib.asynccontextmanager
async def trickling(port: int) -> AsyncIterator[int]:
    """A way to a port that hands on byte by byte."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while part := await reader.read(65536):
                for byte in part:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0)
        writer.close()

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    async with await asyncio.start_server(between, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def s_server(
    folder: Path, flag: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """``openssl s_server``, which sends what it reads and prints what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    files = ["-cert", f"{folder}/tls.crt", "-key", f"{folder}/tls.key"]
    process = await asyncio.create_subprocess_exec(
        *["openssl", "s_server", flag, "-accept", f"127.0.0.1:{port}", *files],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await said_by(process, b"ACCEPT\n")
        yield process, port
    finally:
        process.kill()
        await process.wait()


async def said_by(process: asyncio.subprocess.Process, line: bytes) -> None:
    """Wait until a process prints a line."""
    assert process.stdout is not None
    async with asyncio.timeout(10):
        while await process.stdout.readline() != line:
            pass
