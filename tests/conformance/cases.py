"""The cases that every generator can be put through: a server, and a load that it can bear."""

from dataclasses import dataclass

from tests.conformance.server import BASE, MS, STALL, STALL_AFTER


@dataclass(frozen=True)
class Case:
    """An open load against a kind of server (:data:`tests.conformance.server.DELAYS`)."""

    kind: str
    title: str
    rate: int
    """Requests a second."""
    seconds: int
    connections: int
    """Or users, of generators that want a number of them: enough for the rate."""


CASES = {
    case.kind: case
    for case in (
        Case(
            "stall",
            f"Answers take {BASE // MS} ms; {STALL_AFTER:g} s after the first request the server "
            f"stalls for {STALL} s",
            rate=200,
            seconds=6,
            connections=10,
        ),
        # 12,000 requests: p99.9 needs ten beyond it, or it is the luck of a single one.
        Case("constant", "Every answer takes 100 ms", 1000, 12, 200),
        Case("bimodal", "Seven answers of eight take 40 ms, one takes 200 ms", 1000, 12, 200),
        Case("tail", "A heavy tail: lognormal around 40 ms, at most 1 s", 1000, 12, 200),
    )
}
