"""Messages from others to a worker: from a server, a token service, a tool, or a library that got
them from there.

They end up in statuses, Events, logs and reports, and may repeat what was sent. So everything that
a worker passes on from them goes through :func:`foreign`, which knows the secrets of this process.
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


def beginning(text: str, most: int) -> str:
    """The beginning of a text, without the value of any secret; ``most`` characters may be shown.

    A text that is cut first may end within a secret, and the rest of one is not recognised.
    """
    return SECRETS.hide(text[: most + SECRETS.longest])
