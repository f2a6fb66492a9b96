"""What looks like a secret, by its name or by its value. If in doubt, it is one."""

import re

from perfrun.api import Json
from perfrun.cli.init.texts import UniqueNames, variable_name

FEED = "secrets"
KEY = "values.csv"

_NAME = re.compile(
    r"pass(word|wd|code|phrase|wort)?$|passw|secret|token|api[-_]?key|access[-_]?key|auth(?!or)|session"
    r"|authori[sz]ation|(^|[-_.])(key|sid|sig|pin|otp|code|pwd|jwt|state|nonce)$|csrf|xsrf|signature|credential"
    r"|cookie|iban|card[-_]?number|cvc|cvv",
    re.IGNORECASE,
)
_PREFIX = re.compile(
    r"(eyJ[\w-]{8,}\.|sk[-_]|gh[opsu]_|xox[abpr]-|AKIA|ya29\.|glpat-|Bearer |Basic )"
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_OPAQUE = 16


def secret_name(name: str) -> bool:
    """Whether a value with this name must not be copied."""
    return _NAME.search(name[:200]) is not None


def secret_value(value: str) -> bool:
    """Whether a text looks like a token: long, with letters and digits together."""
    if _UUID.match(value):
        return False
    if _PREFIX.match(value):
        return True
    return any(_opaque(piece) for piece in re.split(r"[^A-Za-z0-9]+", value[:4096]))


def is_uuid(value: str) -> bool:
    """Whether it is an id, as databases generate them."""
    return _UUID.match(value) is not None


def _opaque(piece: str) -> bool:
    if len(piece) < _OPAQUE:
        return False
    return any(char.isdigit() for char in piece) and any(char.isalpha() for char in piece)


class SecretFeed:
    """The values that a test takes from its Secret, as columns of a feed."""

    def __init__(self, test: str) -> None:
        self.secret = f"{test}-secrets"
        self._columns: dict[tuple[str, str], str] = {}
        self._names = UniqueNames("_")

    def reference(self, name: str, value: str = "") -> str:
        """The reference to a value; the value itself is only used to recognise it again."""
        known = self._columns.get((name, value))
        if known is None:
            known = self._columns[name, value] = self._names.take(variable_name(name), "value")
        return f"{FEED}.{known}"

    @property
    def feeds(self) -> tuple[Json, ...]:
        """The feed, if anything needs it."""
        if not self._columns:
            return ()
        return ({"name": FEED, "csvFrom": secret_ref(self.secret, KEY)},)

    @property
    def notes(self) -> tuple[str, ...]:
        """How to fill the Secret."""
        if not self._columns:
            return ()
        head = ",".join(self._columns.values())
        return (
            f"Values that look secret were not copied. Write a file values.csv with the line "
            f"{head} and one or more lines of values, then: kubectl create secret generic "
            f"{self.secret} --from-file={KEY}; for perfrun run: --secrets DIR, with the file "
            f"DIR/{self.secret}/{KEY}.",
        )


def secret_ref(secret: str, key: str) -> Json:
    """A value from a Secret."""
    return {"secretKeyRef": {"name": secret, "key": key}}


def fill_note(secret: str, keys: list[str]) -> str:
    """How to create a Secret with these keys."""
    literals = " ".join(f"--from-literal={key}=..." for key in keys)
    return (
        f"Fill the Secret: kubectl create secret generic {secret} {literals}; for perfrun run: "
        f"--secrets DIR, with a file DIR/{secret}/KEY for each key."
    )
