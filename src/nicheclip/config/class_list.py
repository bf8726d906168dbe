"""The names of classes that no image is known to belong to: from a list, or a text file."""

from collections.abc import Sequence
from pathlib import Path

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.paths import expand_path
from nicheclip.terms import UNLABELLED


def class_names(classes: str | Sequence[str]) -> list[str]:
    """The names, as ``check_class_names`` wants them.

    Args:
        classes: the names, or the path of a text file with one on each line; empty lines and those
            that begin with # are passed over.

    Raises:
        InputError: no such file, not a text, or as ``check_class_names``.
    """
    if not isinstance(classes, str):
        return check_class_names(list(classes), "the list")
    path = expand_path(classes)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file. Set 'classes' to a text file with the name of a class on each "
            "line, or to a list of names."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: not a readable text in UTF-8 ({error}). Save it with this encoding."
        ) from error
    return check_class_names([line for line in lines if not line.lstrip().startswith("#")], path)


def check_class_names(names: Sequence[str], where: Path | str) -> list[str]:
    """``names`` with single spaces, without empty ones.

    Raises:
        InputError: fewer than two, or two that differ in nothing but upper case and underscores.
    """
    found = [" ".join(name.split()) for name in names]
    found = [name for name in found if name]
    places: dict[str, str] = {}
    for name in found:
        key = name.casefold().replace("_", " ")
        if key in places:
            raise InputError(
                f"{where}: two classes are called {places[key]!r} and {name!r}. No text can tell "
                "them apart: name each class once."
            )
        places[key] = name
    if UNLABELLED in found:
        raise InputError(f"{where}: a class cannot be called {UNLABELLED!r}. Choose another name.")
    if len(found) < 2:
        what = f"one class ({found[0]!r})" if found else "no class"
        raise InputError(
            f"{where}: {what}; expected at least two. With one class every answer is known."
        )
    return found
