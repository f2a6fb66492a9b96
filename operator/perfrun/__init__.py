"""perfrun: scheduled performance runs on Kubernetes, judged on the resource itself.

Data walks one way, and each step is one room of this package:
``manifest -> spec -> plan -> workers -> measurements -> merge -> verdict -> status``.
"""

import os
import sys

__version__ = "0.1.0"


def start_lean() -> None:
    """Tell libraries that are not loaded yet what perfrun does not use of them.

    For programs that are perfrun's own; the image sets the same variables.
    """
    # NumPy multiplies matrices with a thread for each core, and starts them when it is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # pydantic looks through all installed packages for plugins of its own.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    # httpx loads a command line of its own, with all that it needs, where click is installed. None
    # means that it cannot be imported.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
