"""A job of the stage `adapt`: entries of the config, one start model, tasks and seeds in turn.

What is complete is kept under a key, a digest of everything that it follows from: an added task or
seed costs just itself, and a job that was killed resumes where it was. No label is among the files.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from nicheclip.adaptation.entries import Entry, Where
from nicheclip.adaptation.results import Features, Result
from nicheclip.models.class_scores import SCORES_FILE, read_scores
from nicheclip.models.signals import SIGNALS_FILE, read_signals, seed_agreements, write_signals
from nicheclip.runtime.files import read_json, write_json

#: in the folder of a result: what it follows from; written last
KEY_FILE = "key.json"


def adapt(entries: Sequence[Entry], where: Where) -> tuple[list[Path], int]:
    """Adapt the start to each task by each entry, seed by seed, and score the judged images.

    Returns:
        The files, and how many of the results were there already.

    Raises:
        InputError: a method cannot do a task; it says why.
        Interrupted: stopped on request; the same call resumes.
    """
    files: list[Path] = []
    kept = 0
    for seeds in _results(entries, where):
        for result in seeds:
            if _is_complete(result):
                kept += 1
            else:
                (result.folder / KEY_FILE).unlink(missing_ok=True)
                result.make()
                write_json(result.folder / KEY_FILE, {"key": result.key})
        _compare([result.folder for result in seeds])
        files += [path for result in seeds for path in result.files]
    return files, kept


def _results(entries: Sequence[Entry], where: Where) -> Iterator[list[Result]]:
    """All seeds of an entry on a task; task by task, so that features serve all methods."""
    features = Features(where)
    for task in where.tasks:
        features.forget()
        for entry in entries:
            if task in entry.tasks:
                yield [Result(entry, task, seed, where, features) for seed in entry.seeds]


def _compare(seeds: Sequence[Path]) -> None:
    """Add to the signals of each seed how far it agrees with the others."""
    agreements = seed_agreements([read_scores(folder / SCORES_FILE) for folder in seeds])
    for folder, agreement in zip(seeds, agreements, strict=True):
        found = read_signals(folder / SIGNALS_FILE)
        changed = found.model_copy(update={"seed_agreement": agreement})
        if changed != found:
            write_signals(folder / SIGNALS_FILE, changed)


def _is_complete(result: Result) -> bool:
    try:
        return bool(read_json(result.folder / KEY_FILE)["key"] == result.key)
    except (OSError, ValueError, KeyError):
        return False
