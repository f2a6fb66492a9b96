"""Fields of another operator's resource, and what they say about variables and pods.

Each field is taken by its name, and those that nobody took are named at the end: nothing is dropped
in silence.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from perfrun.api import Json
from perfrun.api.test.commands.script import RESERVED_ENV
from perfrun.cli.init.draft import NotCarried
from perfrun.cli.init.secrets import fill_note, secret_name, secret_ref, secret_value
from perfrun.cli.init.source import line_of_key, rows, table, text_of
from perfrun.cli.init.texts import literal, one_line

_NO_FIELD = "a PerfTest has no such field"
_NOTHING: tuple[object, ...] = (None, "", [], {}, False)
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
_POD_FIELDS = ("affinity", "nodeSelector", "tolerations", "topologySpreadConstraints")


class Fields:
    """An object of a source, whose fields are taken one by one."""

    def __init__(self, value: object, path: str, not_carried: NotCarried) -> None:
        self._value = table(value)
        self._path = path
        self._not_carried = not_carried
        self._taken: set[str] = set()

    def take(self, name: str) -> Any:
        """The value of a field; None where there is none."""
        return _plain(self._located(name))

    def _located(self, name: str) -> Any:
        self._taken.add(name)
        return self._value.get(name)

    def text(self, name: str) -> str:
        """A field that is a text, or empty."""
        return text_of(self.take(name))

    def number(self, name: str) -> int | None:
        """A field that is a whole number."""
        value = self.take(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def object(self, name: str) -> "Fields":
        """A field that is an object, with fields of its own."""
        return Fields(self._located(name), f"{self._path}{name}.", self._not_carried)

    def objects(self, name: str) -> Iterator["Fields"]:
        """A field that is a list of objects."""
        for index, one in enumerate(rows(self._located(name))):
            yield Fields(one, f"{self._path}{name}[{index}].", self._not_carried)

    def refuse(self, name: str, reason: str) -> None:
        """Name a field that cannot be carried over as it is."""
        self._taken.add(name)
        self._not_carried.add(f"{self._path}{name}: {reason}", self.line(name))

    def line(self, name: str) -> int:
        """The line of a field."""
        return line_of_key(self._value, name)

    def rest(self, reasons: Mapping[str, str] | None = None) -> None:
        """Name the fields that nobody took, and that say something."""
        for name in [one for one in self._value if one not in self._taken]:
            if self._value[name] not in _NOTHING:
                self.refuse(name, (reasons or {}).get(name, _NO_FIELD))

    def __bool__(self) -> bool:
        return bool(self._value)


def _plain(value: object) -> Any:
    """A value without what a parser adds to it."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    for kind in (bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value


class ToolVariables:
    """The variables of the tool, and what texts that refer to them say."""

    def __init__(self, test: str, not_carried: NotCarried) -> None:
        self.variables: list[Json] = []
        self._known: dict[str, str] = {}
        self._secret = f"{test}-secrets"
        self._hidden: list[str] = []
        self._not_carried = not_carried

    def add(self, entries: Iterable[Fields]) -> None:
        """``env`` of a container."""
        for entry in entries:
            name, value, source = entry.text("name"), entry.take("value"), entry.object("valueFrom")
            if re.match(RESERVED_ENV, name) or name.startswith("PERFRUN_"):
                entry.refuse("name", f"perfrun sets the variable {one_line(name, 60)} itself")
            elif source:
                ref = _key_ref(source)
                if ref is None:
                    entry.refuse(
                        "valueFrom", f"{name}: only keys of Secrets and ConfigMaps are read"
                    )
                else:
                    self.variables.append({"name": name, "valueFrom": ref})
            else:
                self._add_literal(name, self.resolved(str(value or ""), entry, "value"))
            entry.rest()

    def _add_literal(self, name: str, value: str) -> None:
        if value and (secret_name(name) or secret_value(value)):
            self._hidden.append(name)
            ref = secret_ref(self._secret, name)
            self.variables.append({"name": name, "valueFrom": ref})
            return
        self._known[name] = value
        self.variables.append({"name": name, "value": literal(value)})

    def resolved(self, text: str, fields: Fields, name: str) -> str:
        """A text with the variables that Kubernetes would put in: ``$(NAME)``."""

        def value(found: re.Match[str]) -> str:
            if found[1] is None:
                return "$"
            if found[1] not in self._known:
                fields.refuse(name, f"$({found[1]}) is not replaced: write its value there")
                return found[0]
            return self._known[found[1]]

        return _REFERENCE.sub(value, text)

    @property
    def texts(self) -> list[str]:
        """The values that are known."""
        return list(self._known.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """What to fill in."""
        if not self._hidden:
            return ()
        return (
            "Values that look secret were not copied.",
            fill_note(self._secret, self._hidden),
        )


def _key_ref(source: Fields) -> Json | None:
    for kind in ("secretKeyRef", "configMapKeyRef"):
        ref = source.object(kind)
        if ref:
            made = {"name": ref.text("name"), "key": ref.text("key")}
            ref.rest()
            return {kind: made}
    return None


def pod_template(pod: Fields, metadata: Fields) -> Json:
    """What pods of another operator and workers have in common."""
    made: Json = {}
    for name in ("labels", "annotations"):
        if found := table(metadata.take(name)):
            made[name] = {key: str(value) for key, value in found.items()}
    for name in _POD_FIELDS:
        if found := pod.take(name):
            made[name] = found
    return made


def resources(pod: Fields) -> Json:
    """CPU and memory."""
    given = pod.object("resources")
    made = {name: found for name in ("requests", "limits") if (found := table(given.take(name)))}
    given.rest()
    return {"resources": made} if made else {}


def pull_secrets(names: Iterable[object]) -> Json:
    """Secrets for the registry of the image: texts, or objects with a name."""
    found = [text_of(one) or text_of(table(one).get("name")) for one in names]
    return {"imagePullSecrets": [{"name": one} for one in found if one]} if found else {}
