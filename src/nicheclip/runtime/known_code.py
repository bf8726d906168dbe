"""What was found out of source texts before, kept beside Python's own cache of a module.

To read the syntax of all modules takes half of the seconds in which a run starts, and each job on a
cluster starts one. What is kept is found by the text that it was made of, so that it cannot be out
of date; where it cannot be read or written, everything is found out again.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

#: entries of a file that begins anew: edits leave old ones behind
MOST = 20_000


def text_key(*texts: str | bytes) -> str:
    """Names ``texts``, each with where it ends."""
    key = hashlib.sha256()
    for text in texts:
        data = text.encode() if isinstance(text, str) else text
        key.update(f"{len(data)} ".encode() + data)
    return key.hexdigest()


class KnownCode:
    """A file of values by keys, for the functions of one module and the Python that runs them.

    Args:
        module: of the functions; another text of it makes all that was kept void.
    """

    def __init__(self, module: str) -> None:
        self._made_by = text_key(Path(module).read_bytes(), sys.version)
        self._file = Path(cache_from_source(module)).with_suffix(".json")
        self._values = self._read()
        self._new = False

    def get(self, key: str, find: Callable[[], Any]) -> Any:
        """The value of ``key``; if it is not known, what ``find`` says, as JSON has it."""
        if key not in self._values:
            self._values[key] = find()
            self._new = True
        return self._values[key]

    def keep(self) -> None:
        """Write what is new, if that is allowed."""
        if not self._new:
            return
        from nicheclip.runtime.errors import InputError
        from nicheclip.runtime.files import write_json

        with suppress(InputError):
            write_json(self._file, {"made_by": self._made_by, "values": self._values})
        self._new = False

    def _read(self) -> dict[str, Any]:
        try:
            kept = json.loads(self._file.read_bytes())
            values = kept["values"] if kept["made_by"] == self._made_by else {}
        except (OSError, ValueError, TypeError, KeyError):
            return {}
        return values if isinstance(values, dict) and len(values) < MOST else {}
