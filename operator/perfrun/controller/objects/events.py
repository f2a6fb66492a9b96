"""Events about objects, once each."""

import hashlib
import logging
from datetime import UTC, datetime

from perfrun.api import API_VERSION
from perfrun.api.metadata import Metadata
from perfrun.api.sentence import printable
from perfrun.kube.client import Kube
from perfrun.kube.errors import AlreadyExistsError, KubeError, TerminatingError
from perfrun.kube.resources import EVENTS

logger = logging.getLogger(__name__)

CONTROLLER = "perfrun.dev/operator"
MAX_NOTE = 1024


class Events:
    """Writes Events; a failure to write one is logged and never stops a run."""

    def __init__(self, kube: Kube, instance: str) -> None:
        self._kube = kube
        self._instance = instance

    async def record(
        self, kind: str, about: Metadata, reason: str, note: str, *, warning: bool = False
    ) -> None:
        """Report something that happened to an object.

        The name depends on object, reason and note, so that a step that is repeated (after the
        operator was killed) creates only one Event.
        """
        digest = hashlib.sha256(f"{about.uid}{reason}{note}".encode()).hexdigest()[:16]
        body = {
            "metadata": {"name": f"{about.name}.{digest}", "namespace": about.namespace},
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance[:128],
            "action": reason,
            "reason": reason,
            "type": "Warning" if warning else "Normal",
            "note": printable(note, MAX_NOTE),
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": kind,
                "name": about.name,
                "namespace": about.namespace,
                "uid": about.uid,
            },
        }
        try:
            await self._kube.create(EVENTS, about.namespace, body)
        except (AlreadyExistsError, TerminatingError):
            pass
        except KubeError as error:
            logger.warning("event %s of %s/%s: %s", reason, about.namespace, about.name, error)
