"""Run a command to its end; when it fails, the error carries the last lines it printed."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.cluster.errors import ClusterError

# The words of a command line.
Argv = list[str | Path]
TAIL_LINES = 15


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """The last lines of a text, indented for an error message."""
    return "\n".join("    " + line for line in text.strip().splitlines()[-lines:])


def tail_of(path: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log file, which may be large or missing."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16_384))
            return tail(file.read().decode(errors="replace"), lines)
    except FileNotFoundError:
        return "    (no log)"


def run(
    argv: Sequence[str | Path],
    *,
    what: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
) -> str:
    """Run and return stdout; a failure is a ClusterError with the command's own words."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            env=None if env is None else {**os.environ, **env},
            cwd=cwd,
            input=stdin,
            # With no input given, nothing may wait for a terminal.
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{what or words[0]}: the program {words[0]} is missing") from error
    if done.returncode:
        raise ClusterError(
            f"{what or words[0]} failed with exit code {done.returncode}: "
            f"{shlex.join(words)[:400]}\n{tail(done.stderr + done.stdout)}"
        )
    return done.stdout


def run_logged(
    argv: Sequence[str | Path],
    log: Path,
    *,
    what: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a long command with its output in a file that a heartbeat can quote."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        try:
            code = subprocess.run(
                [str(word) for word in argv],
                env=None if env is None else {**os.environ, **env},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        except FileNotFoundError as error:
            raise ClusterError(f"{what}: the program {argv[0]} is missing") from error
    if code:
        raise ClusterError(f"{what} failed with exit code {code}; from {log}:\n{tail_of(log)}")


def succeeds(argv: Sequence[str | Path]) -> bool:
    """Whether a command exits 0; its output is of no interest."""
    try:
        done = subprocess.run(
            [str(word) for word in argv], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0
