"""The receivers of this installation: a file of the chart, and secrets in files beside it."""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from perfrun.api.base import ApiModel
from perfrun.api.test.perftest import ReceiverName
from perfrun.logic.problems import parse_problems

FILE = "receivers.json"
URL_FILE = "url"
KEY_FILE = "signing-key"
MAX_SECRET = 4096


class Receiver(ApiModel):
    """Where notices go: ``url``, or a file of its Secret; signed if there is a key."""

    name: ReceiverName
    format: Literal["cloudevents", "slack"] = "cloudevents"
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=2048)] | None = None
    namespaces: Annotated[list[str], Field(max_length=256)] = Field(
        default=[], description="Namespaces whose tests may use it. Empty: all."
    )
    timeout_seconds: Annotated[int, Field(ge=1, le=60)] = 10

    def open_to(self, namespace: str) -> bool:
        """Whether tests of a namespace may use it."""
        return not self.namespaces or namespace in self.namespaces


class Receivers:
    """All receivers, by name."""

    def __init__(self, receivers: dict[str, Receiver], secrets: Path) -> None:
        self._receivers = receivers
        self._secrets = secrets

    @classmethod
    def read(cls, path: str) -> "Receivers":
        """The receivers in a folder; none without a folder. Raises ValueError for a file that
        cannot be read.
        """
        if not path:
            return cls({}, Path())
        folder = Path(path)
        where = folder / FILE
        try:
            found = [Receiver.parse(one) for one in json.loads(where.read_text())]
        except ValidationError as error:
            raise ValueError(f"receivers of the chart: {parse_problems(error)[0]}") from error
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(f"{where} cannot be read: {error}") from error
        return cls({one.name: one for one in found}, folder / "secrets")

    def find(self, name: str, namespace: str) -> Receiver | None:
        """A receiver that tests of a namespace may use."""
        receiver = self._receivers.get(name)
        return receiver if receiver is not None and receiver.open_to(namespace) else None

    @property
    def all_names(self) -> list[str]:
        """All names, whoever may use them."""
        return sorted(self._receivers)

    def names(self, namespace: str) -> list[str]:
        """The names that tests of a namespace may use."""
        return sorted(one.name for one in self._receivers.values() if one.open_to(namespace))

    def url(self, receiver: Receiver) -> str:
        """Read again for each notice, because Secrets are rotated. Raises OSError, ValueError."""
        if receiver.url is not None:
            return receiver.url
        url = self._secret(receiver, URL_FILE)
        if url is None:
            raise ValueError("it has neither url nor urlFrom")
        if not url.startswith(("http://", "https://")):
            raise ValueError("its Secret does not contain a valid URL")
        return url

    def key(self, receiver: Receiver) -> str | None:
        """The key that signs its notices; None: they are not signed."""
        return self._secret(receiver, KEY_FILE)

    def _secret(self, receiver: Receiver, file: str) -> str | None:
        path = self._secrets / receiver.name / file
        try:
            return path.read_text()[:MAX_SECRET].strip()
        except FileNotFoundError:
            return None
