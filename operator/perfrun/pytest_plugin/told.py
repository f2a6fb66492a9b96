"""What a user of the plugin may be told."""


class PerfrunWarning(UserWarning):
    """A run missed an objective, or could not show that it was met."""


class InvalidTestError(ValueError):
    """A manifest, or what was given in Python, is no test that can be run."""
