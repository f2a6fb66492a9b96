"""One objective compared with what was measured, and how the generator's faults limit the
result.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from perfrun.api.run.perfrun import Finding, SloStatus, Verdict
from perfrun.api.sentence import cut
from perfrun.logic.verdict.objectives import Objective
from perfrun.logic.verdict.own_delays import Miss
from perfrun.logic.verdict.readings import NoReading, Reading
from perfrun.measure.record import GeneratorRecord

ORDER = (Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.WARN, Verdict.FAIL)


@dataclass(frozen=True)
class ObjectiveVerdict:
    """The result for one objective, before findings about the generator are applied."""

    verdict: Verdict
    sentence: str
    measured: str | None = None
    samples: int = 0
    unsupported: str | None = None
    """Why a percentile is not given: it has too few samples."""
    miss: Miss | None = None
    """A miss that the generator's own delays may explain."""
    ending: str = ""
    """How the sentence ends unless a fault of the generator changes it: ``: met``."""


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The worst of Pass < Inconclusive < Warn < Fail; NotApplicable does not count.

    Inconclusive if none counts.
    """
    counted = [verdict for verdict in verdicts if verdict in ORDER]
    return max(counted, key=ORDER.index, default=Verdict.INCONCLUSIVE)


class VerdictRule(NamedTuple):
    """The result of an objective if a condition holds."""

    holds: Callable[[Objective, Reading], bool]
    verdict: Verdict | None
    """None: missed, so Warn or Fail as the objective says."""
    ending: str = ""
    """How the sentence ends; ``{doubt}`` is the reading's."""


_RULES = (  # the first one that holds
    VerdictRule(
        lambda asked, it: (
            asked.expression is not None and not asked.expression.may_hold(it.low, it.high)
        ),
        None,
    ),
    VerdictRule(
        lambda asked, it: (
            asked.expression is not None and not asked.expression.must_hold(it.low, it.high)
        ),
        Verdict.INCONCLUSIVE,
        ": not known, because {doubt}",
    ),
    VerdictRule(lambda asked, it: asked.upper is not None and it.low > asked.upper, None),
    VerdictRule(
        lambda _, it: it.nearly, Verdict.PASS, ": met, within 1% of what the load could give"
    ),
    VerdictRule(lambda asked, it: asked.lower is not None and it.high < asked.lower, None),
    VerdictRule(
        lambda asked, it: (
            (it.known and it.doubt != "")
            or (asked.upper is not None and it.high > asked.upper)
            or (asked.lower is not None and it.low < asked.lower)
        ),
        Verdict.INCONCLUSIVE,
        ": not known, because {doubt}",
    ),
    VerdictRule(lambda *_: True, Verdict.PASS, ": met"),
)


def compare(objective: Objective, reading: Reading | NoReading) -> ObjectiveVerdict:
    """The result of an objective for what was measured, and its sentence."""
    if isinstance(reading, NoReading):
        verdict = Verdict.INCONCLUSIVE if reading.applicable else Verdict.NOT_APPLICABLE
        return ObjectiveVerdict(
            verdict,
            f"{objective.subject} {reading.reason}",
            samples=reading.samples,
            unsupported=reading.reason if reading.unsupported else None,
        )
    text = reading.text(objective.metric, objective.limits)
    sentence = f"{objective.subject} was {text}{reading.note}, {_allowed(objective)}"
    rule = next(rule for rule in _RULES if rule.holds(objective, reading))
    ending = rule.ending.format(doubt=reading.doubt)
    if rule.verdict is not None:
        return ObjectiveVerdict(rule.verdict, sentence, text, reading.samples, ending=ending)
    missed = Verdict.FAIL if objective.on_breach == "Fail" else Verdict.WARN
    return ObjectiveVerdict(
        missed, sentence, text, reading.samples, miss=reading.miss, ending=ending
    )


def _allowed(objective: Objective) -> str:
    """The limits of an objective in words."""
    if objective.threshold is not None:
        return f"and the script requires {objective.threshold}"
    limits = []
    if objective.max is not None:
        limits.append(f"at most {objective.max} allowed")
    if objective.min is not None:
        limits.append(f"at least {objective.min} required")
    return " and ".join(limits)


class Faults(NamedTuple):
    """What is wrong with the generator, and its record, which says how much."""

    findings: Sequence[Finding]
    record: GeneratorRecord

    def against(self, objective: Objective, result: ObjectiveVerdict) -> Finding | None:
        """The first finding that takes a verdict back, if there is one."""
        if result.verdict is Verdict.PASS:
            return next((f for f in self.findings if _undermines(f, objective)), None)
        if result.verdict not in (Verdict.WARN, Verdict.FAIL):
            return None
        inflating = [f for f in self.findings if f.effect == "Inflating"]
        miss = result.miss
        if not inflating or miss is None or not miss.explained_by(inflating, self.record):
            return None
        # One may be enough; otherwise all of them together may be, and the first is named.
        alone = (f for f in inflating if miss.explained_by([f], self.record))
        return next(alone, inflating[0])


NO_FAULTS = Faults((), GeneratorRecord.empty())


def _undermines(finding: Finding, objective: Objective) -> bool:
    """Whether a met objective is in doubt because less load was generated than planned."""
    if finding.effect != "UnderLoading":
        return False
    # What was reached and what was dropped are facts, whatever was not sent.
    return finding.type != "Dropped" or not objective.row.fact


def status_of(objective: Objective, result: ObjectiveVerdict, faults: Faults) -> SloStatus:
    result = _tainted(objective, result, faults)
    return SloStatus(
        metric=objective.metric,
        of=objective.of,
        threshold=objective.threshold,
        max=objective.max,
        min=objective.min,
        on_breach=objective.on_breach,
        measured=result.measured,
        unsupported=result.unsupported,
        samples=result.samples,
        verdict=result.verdict,
        message=cut(result.sentence + result.ending),
    )


def _tainted(objective: Objective, result: ObjectiveVerdict, faults: Faults) -> ObjectiveVerdict:
    """What remains of a verdict after the generator's own faults."""
    found = faults.against(objective, result)
    if found is None:
        return result
    ending = f", but this proves nothing: {found.message}"
    return replace(result, verdict=Verdict.INCONCLUSIVE, ending=ending)
