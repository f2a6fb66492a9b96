"""The launcher of a command, as a process of this machine.

In a cluster it runs in the user's image; here the command is the one that is installed.
"""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import perfrun
from perfrun.api.test.commands.command import EnvVar
from perfrun.api.test.values import ValueRef
from perfrun.local.values import FoundValues

_PROGRAM = Path(perfrun.__file__).parent / "launcher" / "run.py"
_PATIENCE = 7.0
"""Seconds until it has to end: a stopped command has five of them."""


class Launcher:
    """It ends by itself, when the command or its worker has ended."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def end(self) -> None:
        """Wait for its end, but no longer than it may take."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


async def start_launcher(
    variables: Sequence[EnvVar], values: FoundValues, folder: Path
) -> Launcher:
    """Start it with our environment, and those of the test's variables whose values come from
    Secrets and ConfigMaps.

    ``folder`` is shared with its worker.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        # Nothing but the program: its own memory is the minimum that is measured.
        *("-I", "-S", str(_PROGRAM), str(folder)),
        env={**_inherited(), **_given(variables, values)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        # A Ctrl-C on the terminal is for perfrun, which tells the worker, which tells the launcher.
        start_new_session=True,
    )
    return Launcher(process)


def _inherited() -> dict[str, str]:
    # The command gets the user's environment, without perfrun's own settings.
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PERFRUN_") and name not in perfrun.set_here
    }


def _given(variables: Sequence[EnvVar], values: FoundValues) -> Mapping[str, str]:
    """Variables whose values are not in the test."""
    given = {}
    for variable in variables:
        source = variable.value_from
        if source is None:
            continue
        if (secret := source.secret_key_ref) is not None:
            ref = ValueRef("Secret", secret.name, secret.key)
        else:
            assert source.config_map_key_ref is not None
            ref = ValueRef(
                "ConfigMap", source.config_map_key_ref.name, source.config_map_key_ref.key
            )
        found = values[ref]
        content = found.read_bytes() if isinstance(found, Path) else found
        given[variable.name] = content.decode("utf-8", "surrogateescape").replace("\0", "")
    return given
