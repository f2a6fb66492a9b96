"""Values that a plan only refers to; the worker provides them."""

from pathlib import Path
from typing import Protocol

from perfrun.api.test.values import KeyRef, ValueSource
from perfrun.reach.errors import DataError


class Values(Protocol):
    """Secrets and ConfigMaps, mounted as files. ``field`` is for the message of a DataError."""

    def secret(self, name: str, key: str, field: str) -> str:
        """A value of a Secret. Raises DataError if there is none."""

    def config_map(self, name: str, key: str, field: str) -> str:
        """A value of a ConfigMap. Raises DataError if there is none."""

    def secret_file(self, name: str, key: str, field: str) -> Path:
        """The file of a key of a Secret. Raises DataError if there is none."""

    def service_account_token(self, field: str) -> Path:
        """The file of the run's own token. Raises DataError if there is none."""

    def command_folder(self, field: str) -> Path:
        """The folder shared with a command's launcher. Raises DataError if there is none."""


def value_of(source: ValueSource, values: Values, field: str) -> tuple[str, bool]:
    """The value that a source names, and whether it is secret."""
    if source.secret_key_ref is not None:
        return values.secret(source.secret_key_ref.name, source.secret_key_ref.key, field), True
    ref: KeyRef | None = source.config_map_key_ref
    assert ref is not None
    return values.config_map(ref.name, ref.key, field), False


class NoValues:
    """For plans without references."""

    def secret(self, name: str, key: str, field: str) -> str:
        """There is none."""
        raise DataError(f"there is no Secret {name} with a key {key} ({field})")

    def config_map(self, name: str, key: str, field: str) -> str:
        """There is none."""
        raise DataError(f"there is no ConfigMap {name} with a key {key} ({field})")

    def secret_file(self, name: str, key: str, field: str) -> Path:
        """There is none."""
        raise DataError(f"there is no Secret {name} with a key {key} ({field})")

    def service_account_token(self, field: str) -> Path:
        """There is none."""
        raise DataError(f"{field}: no service account is available here")

    def command_folder(self, field: str) -> Path:
        """There is none."""
        raise DataError(f"{field}: no launcher is available here")
