"""Feeds: rows that are read from a file or generated, one for each iteration."""

import hashlib
import re

from perfrun.api.test.feed import Feed, Generated
from perfrun.api.test.values import ValueSource
from perfrun.engine.data.generate import mix
from perfrun.engine.data.rows import Cells, Rows, RowSource, Use
from perfrun.engine.data.tables import MAX_BYTES, JsonLines, Table
from perfrun.engine.data.template import Compiler
from perfrun.engine.errors import DataError
from perfrun.logic.plan.shape import Turns, scenario_order
from perfrun.measure.plan import RunPlan
from perfrun.reach.foreign import SECRETS
from perfrun.reach.values import Values, value_of

_SEPARATORS = re.compile(r'[",;:{}\[\]\s]+')
"""The separator between the cells of a file."""


class GeneratedRows:
    """Rows that are generated on demand; a row is the same for everyone who asks for it.

    They depend only on the run, the feed, the column and the row: workers, setup and teardown see
    the same ones.
    """

    def __init__(self, feed: str, generated: Generated, plan: RunPlan) -> None:
        self.rows = generated.rows
        self._columns = {
            name: Compiler(_seed(plan.uid, feed, name), plan.variables).text(
                text, f"spec.feeds[{feed}].generate.columns.{name}"
            )
            for name, text in generated.columns.items()
        }

    def column(self, name: str, where: str) -> Cells:
        """A column. Raises DataError if it does not exist."""
        if name not in self._columns:
            raise DataError(f"{where} has no column {name}; it has: {', '.join(self._columns)}")
        return self._columns[name]


def read_feeds(plan: RunPlan, values: Values) -> dict[str, Rows]:
    """All feeds of a plan by name. Raises DataError for a file that is missing or malformed."""
    if not plan.feeds:
        return {}
    use = _use(plan)
    return {
        feed.name: Rows(
            feed.name,
            _source(feed, plan, values),
            feed.order,
            mix(plan.seed ^ mix(place)),
            use,
            secret=_is_secret(feed),
        )
        for place, feed in enumerate(plan.feeds, start=1_000_000)
    }


def _is_secret(feed: Feed) -> bool:
    source = feed.csv_from or feed.jsonl_from
    return source is not None and source.secret_key_ref is not None


def _use(plan: RunPlan) -> Use:
    steps = [step for scenario in plan.scenarios for step in scenario.steps]
    largest = max((step.sql.batch for step in steps if step.sql is not None), default=1)
    if len(plan.scenarios) == 1:
        return Use(None, largest)
    order = scenario_order([scenario.weight for scenario in plan.scenarios])
    return Use(Turns(order, plan.load.workers).rank, largest)


def _source(feed: Feed, plan: RunPlan, values: Values) -> RowSource:
    where = f"spec.feeds[{feed.name}]"
    if feed.csv_from is not None:
        return Table(_text(feed.csv_from, values, f"{where}.csvFrom"), f"{where}.csvFrom")
    if feed.jsonl_from is not None:
        return JsonLines(_text(feed.jsonl_from, values, f"{where}.jsonlFrom"), f"{where}.jsonlFrom")
    assert feed.generate is not None
    return GeneratedRows(feed.name, feed.generate, plan)


def _text(source: ValueSource, values: Values, where: str) -> str:
    text, is_secret = value_of(source, values, where)
    if is_secret:
        SECRETS.learn_many(_SEPARATORS.split(text.partition("\n")[2]))
    if len(text) > MAX_BYTES:
        raise DataError(f"{where}: has more than {MAX_BYTES} characters")
    return text


def _seed(uid: str, feed: str, column: str) -> int:
    """The seed of a column's values. It does not depend on the plan's seed, because setup and
    teardown have other ones."""
    digest = hashlib.sha256(f"{uid}/{feed}/{column}".encode()).digest()
    return int.from_bytes(digest[:6], "big")
