"""Values that a plan only refers to, as the kubelet mounts them: a directory for each Secret and
ConfigMap, a file for each key.
"""

from pathlib import Path

from perfrun.api.test.values import KeyRef, ValueSource
from perfrun.reach.errors import DataError
from perfrun.reach.foreign import SECRETS


class Values:
    """Values in a directory that contains ``secrets/NAME/KEY`` and ``configmaps/NAME/KEY``.

    All methods raise DataError if there is no such value; ``field`` is for its message.
    """

    def __init__(self, root: Path | None = None, command_folder: Path | None = None) -> None:
        """``root``: None where a plan has no references. All Secrets in it are hidden in messages
        from now on, used or not.
        """
        self._root, self._command_folder = root, command_folder
        self.hide()

    def hide(self) -> None:
        """Hide all Secrets that are there now: one may be created while its pod waits for it."""
        root = self._root
        for path in sorted(root.glob("secrets/*/*")) if root is not None else ():
            # The kubelet keeps the targets of its links in separate folders.
            if path.is_file():
                SECRETS.learn(path.read_text("utf-8", errors="replace"))

    def secret(self, name: str, key: str, field: str) -> str:
        """A value of a Secret, without the line break that editors add at its end."""
        return _text(self.secret_file(name, key, field), f"Secret {name}, key {key} ({field})")

    def config_map(self, name: str, key: str, field: str) -> str:
        """A value of a ConfigMap, without the line break at its end."""
        path = self._file("configmaps", "ConfigMap", name, key, field)
        return _text(path, f"ConfigMap {name}, key {key} ({field})")

    def secret_file(self, name: str, key: str, field: str) -> Path:
        """The file of a key of a Secret."""
        return self._file("secrets", "Secret", name, key, field)

    def service_account_token(self, field: str) -> Path:
        """The file of the run's own token, which the kubelet renews."""
        file = None if self._root is None else self._root / "serviceaccount" / "token"
        if file is None or not file.is_file():
            raise DataError(
                f"{field}: there are no service accounts outside of a cluster: run the test in "
                "a cluster, or use auth.bearer with your own token"
            )
        return file

    def command_folder(self, field: str) -> Path:
        """The folder that is shared with the launcher of a command."""
        if self._command_folder is None:
            raise DataError(
                f"{field}: PERFRUN_COMMAND_FOLDER is not set, so no launcher is available"
            )
        return self._command_folder

    def _file(self, folder: str, kind: str, name: str, key: str, field: str) -> Path:
        # The API checks names and keys, including dots in them: nothing may lead outside the root.
        if self._root is not None and key not in (".", "..") and name not in (".", ".."):
            path = self._root / folder / name / key
            if path.is_file():
                return path
        raise DataError(f"there is no {kind} {name} with a key {key} ({field})")


def value_of(source: ValueSource, values: Values, field: str) -> tuple[str, bool]:
    """The value that a source names, and whether it is secret."""
    if source.secret_key_ref is not None:
        return values.secret(source.secret_key_ref.name, source.secret_key_ref.key, field), True
    ref: KeyRef | None = source.config_map_key_ref
    assert ref is not None
    return values.config_map(ref.name, ref.key, field), False


def _text(path: Path, what: str) -> str:
    try:
        # Not as a text file: line breaks of two characters, as in cells of CSV, would become one.
        return path.read_bytes().decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{what} is not UTF-8 text") from error
    except OSError as error:
        raise DataError(f"{what} cannot be read: {error.strerror}") from error
