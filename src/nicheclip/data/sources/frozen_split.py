"""Lists of the members that are for test, where a split was drawn once by others."""

from pathlib import Path

from nicheclip.runtime.errors import InputError


class FrozenSplit:
    """A list of members for test; all others train."""

    def __init__(self, path: Path) -> None:
        """Read the list: a member on each line, `#` begins a remark.

        Raises:
            InputError: it is absent, empty or names a member twice.
        """
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot read the list of members ({error}).") from error
        names = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        self._path, self._tests = path, frozenset(names)
        if len(self._tests) < max(len(names), 1):
            raise InputError(f"{path}: names no member, or one twice. Make the list anew.")

    def split(self, member: str) -> str:
        """``test`` or ``train``."""
        return "test" if member in self._tests else "train"
