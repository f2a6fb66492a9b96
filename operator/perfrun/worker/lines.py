"""The worker's log: one line per event, which foreign text cannot forge."""

import logging
import re
import sys
import warnings
from types import TracebackType

from typing_extensions import override

from perfrun.reach.foreign import foreign

MAX_FIELD = 8192
"""Maximum characters of a field; of a traceback the last ones are kept."""
_PLAIN = re.compile(r"[A-Za-z0-9_./:+@%,-]+")
"""Values that need no quotes."""


def log(event: str, **fields: object) -> None:
    """One line to stderr. Never a value from a Secret."""
    pairs = [f"{key}={_quoted(foreign(str(value), MAX_FIELD))}" for key, value in fields.items()]
    sys.stderr.write(" ".join([f"event={event}", *pairs]) + "\n")
    sys.stderr.flush()


def take_over() -> None:
    """Send the output of libraries and the interpreter through it too, because an error may repeat
    a server's message.
    """
    logging.basicConfig(level=logging.WARNING, handlers=[_Handler()], force=True)
    logging.captureWarnings(capture=True)
    warnings.simplefilter("ignore", ResourceWarning)
    sys.excepthook = _crashed


class _Handler(logging.Handler):
    @override
    def emit(self, record: logging.LogRecord) -> None:
        fields = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            fields["traceback"] = _traceback(record.exc_info[1])
        log(record.levelname.lower(), **fields)


def _crashed(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    # The last line of a failing worker is reported as the reason of its end.
    log("crashed", traceback=_traceback(error))
    log("crashed", message=f"{kind.__name__}: {error}")


def _traceback(error: BaseException) -> str:
    import traceback

    text = "".join(traceback.format_exception(error))
    return text[-MAX_FIELD:].replace("\n", " | ")


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
