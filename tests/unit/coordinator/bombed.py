"""Sends every hostile message to a coordinator in a process of its own, and says what it took.

``python -m tests.unit.coordinator.bombed``: a line of JSON for each, with the most memory so far.
"""

import asyncio
import json
import resource
import time

from tests import hostile
from tests.unit.coordinator.conftest import a_world, make_plan


class Pulse:
    """How long the event loop was not served at most, s: as far as this process was at work.

    That others have the machine is no fault of the coordinator's.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self._task = asyncio.create_task(self._beat())

    async def _beat(self) -> None:
        while True:
            before, worked = time.monotonic(), time.process_time()
            await asyncio.sleep(0.005)
            late = time.monotonic() - before - 0.005
            self.longest = max(self.longest, min(late, time.process_time() - worked))

    def take(self) -> float:
        """Since the last call."""
        longest, self.longest = self.longest, 0.0
        return longest


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def main() -> None:
    """All of them, one after the other."""
    everything = [*hostile.bombs()]
    async with a_world() as world:
        world.coordinator.open(make_plan(2), start_deadline=world.clock.wall().replace(year=2100))
        await world.post(0, "interval", hostile.interval())
        pulse, base = Pulse(), _peak()
        for bomb in everything:
            world.clock.move(1)
            status, answer, _ = await world.post(0, bomb.route, bomb.body)
            seen = {"name": bomb.name, "status": status, "message": answer.get("message", "")}
            print(json.dumps(seen | {"grown": _peak() - base, "stall": pulse.take()}), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
