"""CSV Data Set Configs as feeds."""

import re
from collections.abc import Iterable, Sequence

from perfrun.api import Json
from perfrun.cli.init.draft import NotCarried
from perfrun.cli.init.foreign import ForeignValues
from perfrun.cli.init.jmeter.elements import JmeterElement
from perfrun.cli.init.jmeter.values import JmeterValues
from perfrun.cli.init.secrets import secret_ref
from perfrun.cli.init.texts import slug, variable_name

_MAX_FEEDS = 10


class DataSets:
    """The feeds of a plan. Two data sets with the same file and variables become one feed."""

    def __init__(
        self,
        elements: Iterable[JmeterElement],
        test: str,
        foreign: ForeignValues,
        values: JmeterValues,
        not_carried: NotCarried,
    ) -> None:
        self._secret = f"{test}-data"
        self._foreign = foreign
        self._values = values
        self._feeds: dict[tuple[str, ...], Json] = {}
        self._notes: dict[str, None] = {}
        for one in elements:
            if _key(one) in self._feeds:
                continue
            if len(self._feeds) == _MAX_FEEDS:
                not_carried.add(f"{one.shown}: more than {_MAX_FEEDS} data sets", one.line)
            else:
                self._feeds[_key(one)] = self._feed(one)

    @property
    def feeds(self) -> tuple[Json, ...]:
        """The feeds of the test."""
        return tuple(self._feeds.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """How to fill them."""
        return tuple(self._notes)

    def apply(self, elements: Sequence[JmeterElement]) -> None:
        """These data sets apply from now on; the nearest one takes precedence."""
        columns: dict[str, str] = {}
        self._values.other_feed = ""
        for one in elements:
            if (feed := self._feeds.get(_key(one))) is None:
                continue
            name, variables = feed["name"], _variables(one)
            columns |= {it: f"{name}.{variable_name(it)}" for it in variables}
            if not variables:
                self._values.other_feed = name
        self._values.columns = columns

    def _feed(self, one: JmeterElement) -> Json:
        file = re.split(r"[\\/]", one.text("filename"))[-1]
        key = re.sub(r"[^-._a-zA-Z0-9]", "-", file)[:100].strip(".") or "data.csv"
        name = self._foreign.feed(slug(file.partition(".")[0], 40) or "data")
        header = ",".join(map(variable_name, _variables(one)))
        begin = f", which begins with the line {header}," if header else ""
        delimiter = one.text("delimiter")
        commas = (
            ""
            if delimiter in ("", ",")
            else f" Its values are separated by commas here, not {delimiter}."
        )
        self._notes[
            f"Feed {name}: put {key}{begin} into a Secret: kubectl create secret generic "
            f"{self._secret} --from-file={key}; for perfrun run: --secrets DIR, with the file "
            f"DIR/{self._secret}/{key}.{commas}"
        ] = None
        order = {"order": "Unique"} if one.text("recycle") == "false" else {}
        return {"name": name, "csvFrom": secret_ref(self._secret, key), **order}


def _variables(one: JmeterElement) -> list[str]:
    return [it.strip() for it in one.text("variableNames").split(",") if it.strip()]


def _key(one: JmeterElement) -> tuple[str, ...]:
    return (one.text("filename"), one.text("recycle"), *_variables(one))
