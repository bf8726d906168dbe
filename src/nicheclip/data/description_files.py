"""Class descriptions from a file that somebody else has written, with its flaws counted.

A file is a mapping of keys to lists of texts, as JSON or as ``torch.save`` writes it. Which class a
key means is settled in one way: by ``keys`` of the config, else by the class's name or id, if these
differ from the key by nothing but upper case, punctuation and white space.
"""

import logging
import pickle
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json

log = logging.getLogger(__name__)

#: how a language model begins when it does not answer
_REFUSAL = re.compile(
    r"(i'm|i am|we're|we are)? ?(very |really )?sorry\b|as an ai\b|as a language model|no answer"
    r"|i (can ?not|can't|do not|don't|am not able|am unable|could not|couldn't)\b",
    re.IGNORECASE,
)
#: bytes of a mapping, which is read whole: its texts take some times as much memory
LARGEST = 256 << 20
#: what json and torch raise for a file that is none of theirs
UNREADABLE = (ValueError, RuntimeError, EOFError, RecursionError, pickle.UnpicklingError)
#: so many names are written out
MOST_NAMED = 5


@dataclass(frozen=True)
class Flaws:
    """What was wrong with a file, in numbers."""

    trimmed: int = 0
    """Texts with white space around them or line breaks within, which were removed."""
    empty: int = 0
    """Texts without a letter, left out."""
    refusals: int = 0
    """Texts in which a language model declines, left out."""
    repeated: int = 0
    """Texts that a class has twice, left out."""
    classes_without: int = 0
    """Classes of which no text is left; their names in the templates serve."""
    unused_keys: int = 0
    """Keys that are no class."""

    def __add__(self, other: "Flaws") -> "Flaws":
        names = [one.name for one in fields(self)]
        return Flaws(*(getattr(self, name) + getattr(other, name) for name in names))


def read_descriptions(
    path: Path, class_names: Mapping[str, str], keys: Mapping[str, str], *, clean: bool = True
) -> tuple[dict[str, list[str]], Flaws]:
    """The texts of each class, by id, maybe none, and what was wrong with the file.

    Args:
        path: of the file.
        class_names: the name of each class, by id.
        keys: of some classes, by id.
        clean: leave out what ``cleaned`` does; else just texts without a letter are.

    Raises:
        InputError: not a JSON file of lists of texts, a class that it does not have, or one key for
            two classes.
    """
    content = read_mapping(path)
    found: dict[str, list[str]] = {}
    flaws, used = Flaws(), key_of_each(path, content, class_names, keys)
    for class_id, key in used.items():
        found[class_id], more = cleaned(content[key])
        flaws += more
        if not clean:
            found[class_id] = [text for text in content[key] if any(map(str.isalpha, text))]
    without = sum(not texts for texts in found.values())
    flaws += Flaws(classes_without=without, unused_keys=len(content) - len(set(used.values())))
    counted = {one.name: getattr(flaws, one.name) for one in fields(flaws)}
    if any(counted.values()):
        what = ", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in counted.items() if n)
        log.warning("%s: %s.", path, what)
    return found, flaws


def cleaned(texts: Sequence[str]) -> tuple[list[str], Flaws]:
    """Those of ``texts`` that say something, each once, on one line."""
    kept: dict[str, None] = {}
    flaws = Flaws()
    for text in texts:
        line = " ".join(text.split())
        flaws += Flaws(trimmed=int(line != text and bool(line)))
        if not any(letter.isalpha() for letter in line):
            flaws += Flaws(empty=1)
        elif _REFUSAL.match(line):
            flaws += Flaws(refusals=1)
        elif line in kept:
            flaws += Flaws(repeated=1)
        else:
            kept[line] = None
    return list(kept), flaws


def read_mapping(path: Path) -> dict[str, list[str]]:
    """The texts of each key.

    Raises:
        InputError: not a mapping of keys to lists of texts, as JSON or (`.pt`) as torch saves it;
            or one of more than ``LARGEST`` bytes.
    """
    read = _torch_file if path.suffix == ".pt" else read_json
    try:
        size = path.stat().st_size
        content: Any = read(path) if size <= LARGEST else None
    except (*UNREADABLE, OSError) as error:
        kind = "file of torch" if path.suffix == ".pt" else "JSON file"
        raise InputError(
            f"{path}: not a {kind} ({error}). Expected a mapping of class names to lists of texts."
        ) from error
    if size > LARGEST:
        raise InputError(
            f"{path}: {size >> 20} MiB. A mapping is read whole, and may have {LARGEST >> 20} MiB. "
            "Write its texts as a table (Parquet or JSON Lines with the columns class_id and "
            "text), of which the backend `replay` holds none in memory."
        )
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: expected a mapping of class names to lists of texts.")
    for key, texts in content.items():
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise InputError(f"{path}: {key!r}: expected a list of texts.")
    return content


def _torch_file(path: Path) -> Any:
    import torch  # takes seconds to import, and few files are of this kind

    return torch.load(path, weights_only=True)


def key_of_each(
    path: Path,
    content: Mapping[str, Any],
    class_names: Mapping[str, str],
    keys: Mapping[str, str],
) -> dict[str, str]:
    """The file's key of each class, by id.

    Raises:
        InputError: a class that the file does not have, or one key for two classes.
    """
    known: dict[str, str] = {}
    for key in content:
        other = known.setdefault(_folded(key), key)
        if other != key:
            raise InputError(
                f"{path}: the keys {other!r} and {key!r} read the same. Join their lists."
            )
    found = {}
    for class_id, name in class_names.items():
        meant = keys.get(class_id) or known.get(_folded(name)) or known.get(_folded(class_id))
        if meant in content:
            found[class_id] = str(meant)
    missing = [name for class_id, name in class_names.items() if class_id not in found]
    if missing:
        free = unused_keys(content, found)
        raise InputError(
            f"{path}: {len(missing)} of {len(class_names)} classes are not in it: "
            f"{_listed(missing)}. Keys of no class: {_listed(free) or 'none'}. "
            f"{_nearest(missing, free)}Add the classes, or say under `keys` what the file calls "
            "them."
        )
    twice = {key for key in found.values() if list(found.values()).count(key) > 1}
    if twice:
        raise InputError(
            f"{path}: the key {min(twice)!r} is meant by several classes. Give each a key of its "
            "own."
        )
    return found


def unused_keys(content: Mapping[str, Any], used: Mapping[str, str]) -> list[str]:
    """The keys of a file that are no class (``used``: of ``key_of_each``)."""
    taken = set(used.values())
    return [key for key in content if key not in taken]


def nearest(name: str, others: Sequence[str]) -> str | None:
    """What of ``others`` is written most like ``name``; None where nothing is."""
    folded = {_folded(other): other for other in others}
    found = get_close_matches(_folded(name), folded, n=1)
    return folded[found[0]] if found else None


def _nearest(missing: Sequence[str], free: Sequence[str]) -> str:
    """The nearest keys of the first classes that a file does not have."""
    pairs = {name: nearest(name, free) for name in missing[:MOST_NAMED]}
    near = [f"{name!r}: {key!r}" for name, key in pairs.items() if key]
    return f"Nearest: {', '.join(near)}. " if near else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:MOST_NAMED])) + ", ..." * (len(names) > MOST_NAMED)


def _folded(name: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", name.casefold()))
