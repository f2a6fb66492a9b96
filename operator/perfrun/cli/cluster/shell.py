"""One namespace of a cluster, for commands: they wait for each answer, and watch in between."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

from perfrun.api import Json
from perfrun.kube.client import Kube
from perfrun.kube.errors import AwayError, KubeError, NotFoundError, UnknownKindError
from perfrun.kube.resources import NAMESPACES, Resource

PATIENCE_S = 10.0

Answer = TypeVar("Answer")


class Cluster:
    """A client with the event loop of a command; a context manager.

    Watches continue in that loop, and so only while the command waits for something in it.
    """

    def __init__(
        self, context: str | None, namespace: str | None, *, patience: float = PATIENCE_S
    ) -> None:
        """None means the value in the kubeconfig. ``patience``: seconds that a request may take.
        Raises KubeError.
        """
        self._runner = asyncio.Runner()
        self._begun: list[asyncio.Task[None]] = []
        try:
            self.kube, home = self.wait(Kube.connect_as_user(context, patience))
        except BaseException:
            self._runner.close()
            raise
        self.namespace: str = namespace or home or "default"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything that was begun, and close the connections."""
        try:
            self.wait(self.kube.close())
        finally:
            self._runner.close()

    def wait(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """The result of ``work``; a Ctrl-C ends the waiting. Raises what ``work`` raises."""
        return self._runner.run(work)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it in parallel with what the command waits for, until :meth:`close`."""
        self._begun.append(self._runner.get_loop().create_task(work))

    def find(self, resource: Resource, name: str) -> Json | None:
        """The object; None if there is none. Raises KubeError."""
        try:
            return self.wait(self.kube.get(resource, self.namespace, name))
        except UnknownKindError:
            raise
        except NotFoundError:
            return None

    def list(self, resource: Resource, *, labels: str = "", fields: str = "") -> list[Json]:
        """All objects. Raises KubeError."""
        return self.wait(self.kube.list(resource, self.namespace, labels=labels, fields=fields))

    def has_namespace(self) -> bool:
        """Whether the namespace exists, as far as the user may know. Raises AwayError."""
        try:
            self.wait(self.kube.get(NAMESPACES, None, self.namespace))
        except NotFoundError:
            return False
        except AwayError:
            raise
        except KubeError:
            return True  # users with rights in namespaces only may not ask
        return True
