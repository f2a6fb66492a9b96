"""Processes of this machine, beside what they are known to do."""

import asyncio
import os
import socket
import sys

import pytest

from perfrun.observe.process import ProcessSource, listening_on
from perfrun.observe.source import UnseenError

MIB = 1024 * 1024
_SPINS = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"


def float_of(value: float | str) -> float:
    assert isinstance(value, float)
    return value


_TAKES = f"""
import sys
print(flush=True); sys.stdin.readline()
taken = bytearray(b"x") * {64 * MIB}
print(flush=True); sys.stdin.readline()
"""


async def test_memory_that_is_taken_is_seen() -> None:
    # A process of its own: one that has run for long may have the memory already.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _TAKES),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    source = ProcessSource(process.pid)
    await process.stdout.readline()
    before = float_of((await source.look())["memory"])
    process.stdin.write(b"\n")
    await process.stdout.readline()
    after = await source.look()
    process.stdin.write(b"\n")
    await process.wait()
    assert 60 * MIB < float_of(after["memory"]) - before < 80 * MIB
    assert "cpu" in after


async def test_the_cpu_of_children_counts() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SPINS, start_new_session=True
    )
    try:
        source = ProcessSource(process.pid)
        assert "cpu" not in await source.look()
        used = 0.0
        async with asyncio.timeout(20):
            while used < 0.2:
                await asyncio.sleep(0.1)
                used = float_of((await source.look())["cpu"])
        assert used < 2.5
    finally:
        os.killpg(process.pid, 9)
        await process.wait()


async def test_a_process_that_is_gone_is_told() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await process.wait()
    with pytest.raises(UnseenError, match=f"process {process.pid} cannot be read"):
        await ProcessSource(process.pid).look()


def test_a_process_is_found_by_its_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert listening_on(port) == os.getpid()
    with pytest.raises(LookupError, match=f"no process listens on port {port}"):
        listening_on(port)
