"""What a caption set lacks: classes without any caption, replies that are only thinking."""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence

from nicheclip.captions.backend import Request
from nicheclip.captions.gates import ONLY_THINKING, Judgement, identifier
from nicheclip.runtime.errors import InputError

LOGGER = logging.getLogger(__name__)

CLASSES_NAMED = 20
"""In an error."""

ADVICE = "Ask for more samples, change the prompt or loosen the gates."

ADVICE_ON_THINKING = (
    "The model spends its replies on thinking, which counts as well: raise options.num_predict of "
    "the backend (to a thousand or more), or choose a model that does not think."
)


def warn_of_thoughts(judgements: Sequence[Judgement]) -> None:
    """Say in the log how many replies are only thinking, and what to change."""
    found = Counter(identifier(r) for judgement in judgements for r in judgement.reasons)
    if thoughts := found[ONLY_THINKING]:
        total = len(judgements)
        LOGGER.warning(
            "captions: %d of %d replies hold no answer. %s", thoughts, total, ADVICE_ON_THINKING
        )


def check_every_class(requests: Sequence[Request], judgements: Sequence[Judgement]) -> None:
    """A class whose every text was rejected stops the job, with the reasons."""
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    served = set()
    for request, judgement in zip(requests, judgements, strict=True):
        reasons[request.class_id].update(identifier(reason) for reason in judgement.reasons)
        if judgement.accepted:
            served.add(request.class_id)
    empty = {class_id: found for class_id, found in reasons.items() if class_id not in served}
    if empty:
        lines = [
            f"{class_id}: {', '.join(f'{reason} {n}' for reason, n in found.most_common())}"
            for class_id, found in list(empty.items())[:CLASSES_NAMED]
        ]
        thought = any(ONLY_THINKING in found for found in empty.values())
        raise InputError(
            f"captions: {len(empty)} of {len(reasons)} classes have no accepted caption. Rejected "
            "because:\n  " + "\n  ".join(lines) + f"\n{ADVICE_ON_THINKING if thought else ADVICE}"
        )
