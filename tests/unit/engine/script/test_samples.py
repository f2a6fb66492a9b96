"""The FIFO of a tool's samples: nothing is lost, the tool is never blocked, a flood is shed."""

import asyncio
from pathlib import Path

import pytest

from perfrun.engine.errors import EngineError
from perfrun.engine.script import samples
from perfrun.engine.script.samples import SamplePipe


class Lines:
    """Keeps whole rows."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = False

    def feed(self, data: bytes) -> None:
        self.data += data

    def end(self) -> None:
        self.ended = True


class Pipe:
    """A pipe with what it has read."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "samples"
        self.lines = Lines()
        self.shed = 0
        self.pipe = SamplePipe(self.path, self.lines, self._shed)
        self.pipe.open()

    def _shed(self, rows: int) -> None:
        self.shed += rows

    def write(self, data: bytes) -> None:
        with self.path.open("wb") as file:
            file.write(data)


def test_everything_is_read_until_the_end(tmp_path: Path) -> None:
    async def scenario() -> Pipe:
        it = Pipe(tmp_path)
        await asyncio.to_thread(it.write, b"".join(b"row %d\n" % n for n in range(300_000)))
        await asyncio.to_thread(it.write, b"last")
        await it.pipe.finish()
        it.pipe.close()
        return it

    it = asyncio.run(scenario())
    rows = it.lines.data.splitlines()
    assert rows == [*(b"row %d" % n for n in range(300_000)), b"last"]
    assert it.lines.ended
    assert it.shed == 0
    assert not it.path.exists()


def test_what_cannot_be_decoded_in_time_is_shed_in_whole_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "MAX_BACKLOG", 64 * 1024)
    monkeypatch.setattr(samples, "SLICE", 1024)
    number = 100_000

    async def scenario() -> Pipe:
        it = Pipe(tmp_path)
        await asyncio.to_thread(it.write, b"".join(b"row %06d\n" % n for n in range(number)))
        await asyncio.sleep(0.05)
        await it.pipe.finish()
        it.pipe.close()
        return it

    it = asyncio.run(scenario())
    rows = it.lines.data.splitlines()
    assert it.shed > 0
    assert len(rows) + it.shed == number
    assert all(len(row) == 10 for row in rows)
    assert rows == sorted(rows)


def test_a_row_without_an_end_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "MAX_BACKLOG", 64 * 1024)
    monkeypatch.setattr(samples, "SLICE", 1024)

    async def scenario() -> tuple[Pipe, int]:
        it, most = Pipe(tmp_path), 0
        writing = asyncio.create_task(asyncio.to_thread(it.write, b"x" * 32 * 1024 * 1024))
        while not writing.done():
            most = max(most, it.pipe._waiting)
            await asyncio.sleep(0)
        await asyncio.to_thread(it.write, b"\nlast\n")
        await it.pipe.finish()
        it.pipe.close()
        return it, most

    it, most = asyncio.run(scenario())
    assert most < 2 * 64 * 1024 + 9 * samples.PIPE_BYTES
    assert it.shed


def test_whoever_writes_after_the_tool_has_ended_is_not_read_forever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "LAST_SECONDS", 0.05)

    async def scenario() -> None:
        it = Pipe(tmp_path)
        monkeypatch.setattr(it.pipe, "_drain", lambda: True)
        await asyncio.wait_for(it.pipe.finish(), 5)
        assert it.lines.ended
        it.pipe.close()

    asyncio.run(scenario())


def test_a_file_in_the_place_of_the_pipe_is_not_read(tmp_path: Path) -> None:
    async def scenario() -> None:
        lines = Lines()
        pipe = SamplePipe(tmp_path / "samples", lines, lambda _: None)
        (tmp_path / "samples").unlink()
        with pytest.raises(EngineError, match="its pipe is gone: No such file"):
            pipe.open()
        (tmp_path / "samples").write_text("rows\n")
        with pytest.raises(EngineError, match="no pipe any more"):
            pipe.open()
        await pipe.finish()
        assert (lines.data, lines.ended) == (b"", True)
        pipe.close()

    asyncio.run(scenario())


def test_closing_twice_is_harmless(tmp_path: Path) -> None:
    async def scenario() -> None:
        it = Pipe(tmp_path)
        it.pipe.close()
        it.pipe.close()

    asyncio.run(scenario())
    assert not list(tmp_path.iterdir())
