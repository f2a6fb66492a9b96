"""Text that others wrote, made fit to be shown."""


def printable(text: str) -> str:
    """Without control characters: what a target or a cluster says must not steer a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)
