"""The share of one worker in what a script divides by properties."""

import re
from decimal import Decimal

PROPERTY = "perfrun."
"""Properties of JMeter whose name begins so are perfrun's; those of the test's arguments are
divided among the workers."""
_DIVIDED = re.compile(r"(-Jperfrun\.[A-Za-z0-9._-]+)=([0-9]{1,15})(\.[0-9]{1,6})?")


def jmeter_share(argument: str, index: int, workers: int) -> str:
    """An argument of JMeter for one worker: of ``-Jperfrun.threads=100`` its part of the 100."""
    if (found := _DIVIDED.fullmatch(argument)) is None:
        return argument
    return f"{found[1]}={_part(found[2], found[3] or '', index, workers)}"


def lacks_share(argument: str, workers: int) -> bool:
    """Whether some worker would get nothing of what an argument divides."""
    found = _DIVIDED.fullmatch(argument)
    return found is not None and not Decimal(_part(found[2], found[3] or "", workers - 1, workers))


def _part(whole: str, fraction: str, index: int, workers: int) -> str:
    """Parts add up to the whole exactly; they differ by one in the last place at most."""
    places = 6 if fraction else 0
    units = int(Decimal(whole + fraction).scaleb(places))
    part = units // workers + (index < units % workers)
    return f"{Decimal(part).scaleb(-places):f}"
