"""A protocol for tests: a line out, a line back, and every way to do it wrong."""

import asyncio
import ssl
import sys
import time
from pathlib import Path
from typing import Any

from typing_extensions import override

from perfrun.extension import DataError, ErrorClass, Extension, OpenError, Peer, Reply

SECRET = "s3cret-of-the-options"


class Line:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer


class Lines(Extension[Line]):
    """Does as it should."""

    def __init__(self, *, greeting: str = "", password: str = "") -> None:
        if greeting == "bad":
            raise DataError("greeting is bad")
        if greeting == "worse":
            raise KeyError(password)
        self.greeting, self.password = greeting, password

    @override
    async def open(self, peer: Peer) -> Line:
        line = Line(*await asyncio.open_connection(sock=await peer.connect()))
        if self.greeting:
            await self.ask(line, f"{self.greeting} {self.password}")
        return line

    @override
    async def perform(self, connection: Line, *, send: str, expect: str = "") -> Reply:
        body = await self.ask(connection, send)
        if not expect:
            return Reply(body)
        if expect.encode() in body:
            return Reply(body, passed=1)
        return Reply(body, ErrorClass.CHECK, "another answer", failed=1)

    async def ask(self, line: Line, text: str) -> bytes:
        line.writer.write(text.encode() + b"\n")
        answer = await line.reader.readline()
        if not answer:
            raise ConnectionResetError
        return answer.rstrip()

    @override
    def is_usable(self, connection: Line) -> bool:
        return not connection.writer.is_closing()

    @override
    async def close(self, connection: Line) -> None:
        connection.writer.close()


_NO_REPLIES: dict[str, Any] = {
    "gives nothing": None,
    "gives text": Reply("text"),  # type: ignore[arg-type]
    "gives an error of its own": Reply(error="Strange"),  # type: ignore[arg-type]
    "counts backwards": Reply(passed=-1),
}


class Wrong(Lines):
    """Does what ``how`` says instead of answering."""

    def __init__(self, *, how: str, password: str = "") -> None:
        super().__init__(password=password)
        self.how = how

    @override
    async def perform(self, connection: Line, *, send: str, expect: str = "") -> Any:
        if self.how in _NO_REPLIES:
            return _NO_REPLIES[self.how]
        match self.how:
            case "raises":
                raise KeyError(self.password, send)
            case "exits":
                sys.exit(3)
            case "cancels itself":
                raise asyncio.CancelledError
            case "blocks":
                time.sleep(0.01)  # noqa: ASYNC251
                return Reply(b"at last")
            case "loses in TLS":
                raise ssl.SSLError(1, self.password)
            case "loses":
                raise BrokenPipeError(32, send)
            case "gives up":
                raise TimeoutError
            case "hangs":
                await asyncio.sleep(60)
            case "ignores its end":
                await _deaf(0.4)
        return await super().perform(connection, send=send, expect=expect)

    @override
    def is_usable(self, connection: Line) -> bool:
        if self.how == "knows nothing":
            raise KeyError(self.password)
        return super().is_usable(connection)

    @override
    async def close(self, connection: Line) -> None:
        await super().close(connection)
        if self.how == "closes badly":
            raise KeyError(self.password)
        if self.how == "never closes":
            await asyncio.sleep(60)


class Unready(Lines):
    """Opens no connection, in the way that ``how`` says."""

    def __init__(self, *, how: str, password: str = "") -> None:
        super().__init__(password=password)
        self.how = how

    @override
    async def open(self, peer: Peer) -> Line:
        match self.how:
            case "raises":
                raise KeyError(self.password)
            case "blocks":
                time.sleep(0.01)  # noqa: ASYNC251
                raise ConnectionRefusedError
            case "hangs":
                await asyncio.sleep(60)
            case "ignores its end":
                await _deaf(0.4)
            case "gives up":
                raise TimeoutError
            case "is not trusted":
                raise ssl.SSLCertVerificationError(1, self.password)
            case "is refused":
                raise ConnectionRefusedError(111, self.password)
            case "is told":
                raise OpenError(ErrorClass.STATUS4XX, "the server wants another login")
            case "is strange":
                raise OpenError("Strange", "the server is strange")
            case "cancels itself":
                raise asyncio.CancelledError
        return await super().open(peer)


class Unfinished(Extension[Line]):
    """Has none of its methods."""


async def _deaf(seconds: float) -> None:
    """Go on for so long, whoever wants it to end."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (left := end - loop.time()) > 0:
        try:
            await asyncio.sleep(left)
        except asyncio.CancelledError:
            pass


def install(folder: Path, names: dict[str, str], package: str = "lines") -> None:
    """The metadata of an installed package: entry points by name, as pip leaves them."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    points = "".join(f"{name} = {where}\n" for name, where in names.items())
    (info / "entry_points.txt").write_text(f"[perfrun.kinds]\n{points}")
