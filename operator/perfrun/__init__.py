"""perfrun: scheduled performance runs on Kubernetes, judged on the resource itself.

Data passes once through the packages, each with one task: ``manifest -> spec -> plan -> workers ->
measurements -> merge -> verdict -> status``.
"""

import gc
import os
import sys
from types import ModuleType

__version__ = "0.1.0"

set_here: set[str] = set()
"""Environment variables that :func:`start_lean` set, not the user."""


class _WithoutMarkdown(ModuleType):
    """Replaces ``rich.markdown``."""

    Markdown: None = None


def start_lean() -> None:
    """Make later imports faster, by leaving out unused parts of libraries.

    For programs that are perfrun's own; the image sets the same variables.
    """
    # What is loaded stays: searching it for garbage again and again takes a tenth of a start.
    gc.set_threshold(200_000)
    # NumPy multiplies matrices with a thread for each core, and starts them on import; pydantic
    # searches all installed packages for plugins.
    for name in {"OPENBLAS_NUM_THREADS", "PYDANTIC_DISABLE_PLUGINS"} - os.environ.keys():
        os.environ[name] = "1"
        set_here.add(name)
    # If click is installed, httpx imports its own command line, with everything that it needs. None
    # means that it cannot be imported.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    # Typer imports a Markdown parser for its help, which takes a third of the time of --help.
    # perfrun uses no Markdown there.
    sys.modules.setdefault("rich.markdown", _WithoutMarkdown("rich.markdown"))
