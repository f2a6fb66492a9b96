"""What others say to a worker: a server, a token service, a tool, a library that had it from them.

It goes into statuses, Events, logs and reports, and it may repeat what it was sent. So whatever a
worker hands on of it passes :func:`foreign`, which knows the secrets of this process.
"""

from perfrun.api.sentence import MAX_SENTENCE, printable
from perfrun.launcher.hiding import Hider

SECRETS = Hider()
"""Every secret value that this process has read, received or created."""
MAX_READ = 64 * 1024
"""Characters of a text that are processed: only its beginning is shown."""


def foreign(text: str, most: int = MAX_SENTENCE) -> str:
    """One printable line of at most ``most`` characters, without the value of any secret."""
    return printable(SECRETS.hide(text[:MAX_READ]), most)
