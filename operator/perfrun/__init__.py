"""perfrun: scheduled performance runs on Kubernetes, judged on the resource itself.

Data walks one way, and each step is one room of this package:
``manifest -> spec -> plan -> workers -> measurements -> merge -> verdict -> status``.
"""

import gc
import os
import sys
from types import ModuleType

__version__ = "0.1.0"

set_here: set[str] = set()
"""Variables of the environment that the user did not set, but :func:`start_lean`."""


class _WithoutMarkdown(ModuleType):
    """What stands for ``rich.markdown``."""

    Markdown: None = None


def start_lean() -> None:
    """Load what follows faster: without what perfrun does not use of libraries.

    For programs that are perfrun's own; the image sets the same variables.
    """
    # What is loaded stays: to look for garbage in it again and again takes a tenth of a start.
    gc.set_threshold(200_000)
    # NumPy multiplies matrices with a thread for each core, and starts them when it is loaded;
    # pydantic looks through all installed packages for plugins of its own.
    for name in {"OPENBLAS_NUM_THREADS", "PYDANTIC_DISABLE_PLUGINS"} - os.environ.keys():
        os.environ[name] = "1"
        set_here.add(name)
    # httpx loads a command line of its own, with all that it needs, where click is installed. None
    # means that it cannot be imported.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    # Typer loads a parser of Markdown for its help, a third of the time of --help. Ours has none.
    sys.modules.setdefault("rich.markdown", _WithoutMarkdown("rich.markdown"))
