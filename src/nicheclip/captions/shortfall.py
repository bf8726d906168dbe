"""What a caption set lacks: classes without any caption, replies that are only thinking."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from nicheclip.captions.gates import ONLY_THINKING
from nicheclip.captions.reasons import identifier
from nicheclip.runtime.errors import InputError

LOGGER = logging.getLogger(__name__)

CLASSES_NAMED = 20
"""In an error."""

ADVICE = "Ask for more samples, change the prompt or loosen the gates."

ADVICE_ON_THINKING = (
    "The model spends its replies on thinking, which counts as well: raise options.num_predict of "
    "the backend (to a thousand or more), or choose a model that does not think."
)


def warn_of_thoughts(counts: Mapping[str, int]) -> None:
    """Say in the log how many replies are only thinking, and what to change."""
    if thoughts := counts.get(f"rejected_{ONLY_THINKING}"):
        LOGGER.warning(
            "captions: %d of %d replies hold no answer. %s",
            thoughts,
            counts["generated"],
            ADVICE_ON_THINKING,
        )


class Shortfall:
    """The classes without an accepted caption, with the reasons of their rejected ones."""

    def __init__(self) -> None:
        self._served: set[str] = set()
        self._empty: dict[str, Counter[str]] = {}

    def add(self, class_id: str, reasons: Sequence[str]) -> None:
        """Take in a text; without ``reasons`` it is accepted."""
        if class_id in self._served:
            return
        if reasons:
            self._empty.setdefault(class_id, Counter()).update(map(identifier, reasons))
        else:
            self._served.add(class_id)
            self._empty.pop(class_id, None)

    def check(self) -> None:
        """Raises InputError, with the reasons, where a class has none."""
        if not self._empty:
            return
        lines = [
            f"{class_id}: {', '.join(f'{reason} {n}' for reason, n in found.most_common())}"
            for class_id, found in list(self._empty.items())[:CLASSES_NAMED]
        ]
        thought = any(ONLY_THINKING in found for found in self._empty.values())
        raise InputError(
            f"captions: {len(self._empty)} of {len(self._empty) + len(self._served)} classes have "
            "no accepted caption. Rejected because:\n  "
            + "\n  ".join(lines)
            + f"\n{ADVICE_ON_THINKING if thought else ADVICE}"
        )
