"""Laws that counts obey: what is started, sent or failed is found again in what became of it."""


class ConservationError(AssertionError):
    """Counts that do not add up: a defect of perfrun, never of the target."""


def law(what: str, left: int, right: int) -> None:
    """Raise ConservationError unless both sides are the same."""
    if left != right:
        raise ConservationError(f"{what}: {left} is not {right}; this is a defect of perfrun")
