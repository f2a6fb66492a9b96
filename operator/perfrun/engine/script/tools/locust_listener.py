"""Writes what Locust measures to perfrun; Locust loads it beside the locustfile of the test.

It runs in the Python of the tool, whichever that is, so it imports nothing of perfrun. A row is a
line of JSON, written with one call, so that rows of several processes do not mix.
"""

import contextlib
import json
import os
import time
from pathlib import Path

import gevent
import locust
from locust import events
from locust.runners import MasterRunner, WorkerRunner

FOLDER = Path(os.environ["PERFRUN_FOLDER"])
WORKERS = int(os.environ["PERFRUN_WORKERS"])
ROLE = os.environ["PERFRUN_ROLE"]
"""Alone, Master (with a worker as its child) or Worker."""
MAX_NAME, MAX_MESSAGE = 200, 200
"""Characters; so that no row is longer than 4096 bytes, which a pipe takes at once."""
ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Made once: json.dumps would make an encoder for each row."""
LOOK = 0.005
"""Seconds between two looks for the start."""


class _Pipe:
    """The pipe for rows; opened by the first one, because processes are forked before."""

    file = None

    @classmethod
    def write(cls, row):
        """Write a row. Whoever reads them may be gone: then there is nobody to tell."""
        line = ENCODE(row)
        with contextlib.suppress(BrokenPipeError):
            if cls.file is None:
                cls.file = os.open(FOLDER / "samples", os.O_WRONLY)
            os.write(cls.file, line.encode("utf-8", "replace") + b"\n")


def names_of(error):
    """The names of an exception's classes, the most special one first; empty for no exception."""
    if error is None:
        return ""
    if not isinstance(error, BaseException):
        return "CatchResponseError"
    names = [one.__name__ for one in type(error).__mro__[:-2]]
    # geventhttpclient gives up with an exception of its own.
    original = getattr(error, "original", None)
    if isinstance(original, BaseException):
        names[:0] = [one.__name__ for one in type(original).__mro__[:-2]]
    return " ".join(names)[:MAX_NAME]


def on_request(
    request_type, name, response_time, response_length, exception=None, response=None,
    start_time=None, **_
):  # fmt: skip
    """Write a request: when it ended (s), how long it took (ms), and how it ended."""
    took = float(response_time or 0)
    ended = start_time + took / 1000 if start_time else time.time()
    status = getattr(response, "status_code", 0)
    _Pipe.write(
        [
            "request",
            ended,
            took,
            str(request_type)[:32],
            str(name)[:MAX_NAME],
            status if isinstance(status, int) else 0,
            response_length if isinstance(response_length, int) else 0,
            names_of(exception),
            "" if exception is None else str(exception)[:MAX_MESSAGE],
        ]
    )


def on_user_error(exception, **_):
    """Write an exception that a task raised."""
    _Pipe.write(["error", time.time(), names_of(exception)])


def on_init(environment, runner, **_):
    """Say that all is ready, and wait for the common start."""
    if isinstance(runner, MasterRunner):
        # --processes has set it to the number of this machine's own processes.
        environment.parsed_options.expect_workers = WORKERS
        while len(runner.clients.ready) < WORKERS:
            gevent.sleep(LOOK)
    else:
        events.request.add_listener(on_request)
        events.user_error.add_listener(on_user_error)
        gevent.spawn(count_users, runner)
    if ROLE == "Master" and isinstance(runner, WorkerRunner):
        return
    place("ready", json.dumps({"version": locust.__version__}))
    if not isinstance(runner, WorkerRunner):
        while not (FOLDER / "begin").exists():
            gevent.sleep(LOOK)
        gevent.spawn(quit_when_told, runner)


def count_users(runner):
    """Write how many users there are, every second."""
    while True:
        gevent.sleep(1)
        _Pipe.write(["users", time.time(), runner.user_count])


def quit_when_told(runner):
    """End the load in good order."""
    while not (FOLDER / "quit").exists():
        gevent.sleep(0.05)
    runner.quit()


def place(name, text):
    """Write a file in one step."""
    new = FOLDER / f"{name}.new"
    new.write_text(text)
    new.rename(FOLDER / name)


events.init.add_listener(on_init)
