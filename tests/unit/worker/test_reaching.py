"""The tries to reach a target: how often, how many, and what is written down of them."""

from itertools import pairwise

import pytest

from perfrun.engine.errors import DataError, EngineError, ErrorClass, OpenError
from perfrun.measure.report import Trouble
from perfrun.worker.reaching import MAX_PAUSE, MAX_REFUSALS, Reaching

AWAY = OpenError(ErrorClass.CONNECT, "shop:8000 refused the connection")
STARTING = OpenError("Sql57", "db:5432 refused the login: the database system is starting up")
WRONG = OpenError(
    "Sql28", "db:5432 refused the login: password authentication failed", refused=True
)
UNTRUSTED = OpenError(ErrorClass.TLS, "TLS with shop failed: self-signed certificate", refused=True)
FORBIDDEN = OpenError(ErrorClass.POLICY, "127.0.0.1 is denied")


class Target:
    """Answers its tries one after the other; the last answer stays. Has a clock of its own."""

    def __init__(self, *answers: EngineError | None) -> None:
        self.answers = list(answers)
        self.now = 1000.0
        self.tries: list[float] = []
        self.lines: list[object] = []
        self.reaching = Reaching(self._check, self._log, lambda: self.now)

    async def _check(self) -> None:
        self.tries.append(self.now)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is not None:
            raise answer

    def _log(self, event: str, **fields: object) -> None:
        self.lines.append((event, fields["message"]))

    async def looked_at(self, seconds: int) -> Trouble | None:
        """What stands in the way after so many seconds, asked for each second."""
        trouble = None
        for _ in range(seconds):
            trouble = await self.reaching.tried()
            self.now += 1
        return trouble


@pytest.mark.parametrize("trouble", [AWAY, STARTING])
async def test_a_target_that_may_come_is_tried_less_and_less_often(trouble: EngineError) -> None:
    target = Target(trouble)
    told = await target.looked_at(600)
    assert told == Trouble(reason=trouble.reason, message=trouble.message)
    pauses = [later - one for one, later in pairwise(target.tries)]
    assert pauses[0] == 1
    assert pauses == sorted(pauses)
    assert set(pauses[6:]) == {MAX_PAUSE}
    assert target.lines == [("trouble", trouble.message)]


async def test_a_target_that_comes_is_reached_and_each_trouble_is_logged_once() -> None:
    target = Target(AWAY, AWAY, STARTING, STARTING, None)
    assert await target.looked_at(20) is None
    assert target.lines == [("trouble", AWAY.message), ("trouble", STARTING.message)]


@pytest.mark.parametrize(
    "refusal", [WRONG, DataError("the token cannot be read"), UNTRUSTED], ids=lambda e: e.reason
)
async def test_what_is_refused_is_final_at_the_third_time(refusal: EngineError) -> None:
    target = Target(refusal)
    with pytest.raises(EngineError) as raised:
        await target.looked_at(60)
    assert raised.value is refusal
    assert len(target.tries) == MAX_REFUSALS == 3
    assert target.now - 1000 < 5


async def test_only_refusals_one_after_the_other_are_final() -> None:
    target = Target(WRONG, WRONG, AWAY, WRONG, WRONG, None)
    assert await target.looked_at(60) is None


async def test_what_a_policy_forbids_is_final_at_once() -> None:
    target = Target(FORBIDDEN)
    with pytest.raises(OpenError):
        await target.looked_at(60)
    assert len(target.tries) == 1
