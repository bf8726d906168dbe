"""Open set: images of seen and of unseen classes choose among all classes.

The field's generalised zero-shot: accuracies are means over classes, and one number for both is
their harmonic mean (Xian, Lampert, Schiele and Akata, Zero-Shot Learning - A Comprehensive
Evaluation of the Good, the Bad and the Ugly, TPAMI 2019). A model that answers with seen classes
alone has 0.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nicheclip.config.text_sets import class_text_set
from nicheclip.evaluation.accuracy import class_accuracies, measure_share
from nicheclip.evaluation.bootstrap import Interval, class_share_interval, class_weights
from nicheclip.evaluation.measures import Measure
from nicheclip.evaluation.predictions import Predictions
from nicheclip.evaluation.protocols.zero_shot import answers
from nicheclip.evaluation.task import Judged, Task
from nicheclip.runtime.errors import InputError

Floats = npt.NDArray[np.float64]

#: the groups whose images are judged
GROUPS = ("seen", "unseen")


def judge(task: Task) -> Judged:
    """Judge the images of each group among all classes.

    Raises:
        InputError: one of the groups has no image.
    """
    whole = task.whole.among([*task.groups["all"]])
    classes = task.class_embeddings(class_text_set(task.options)).among(
        whole.classes["class_id"].to_list()
    )
    found = answers(whole, classes)
    count, measures, by_group = len(classes.class_ids), [], []
    for group in GROUPS:
        mine = among_labels(found, task.groups.get(group, []))  # type: ignore[call-overload]
        if not mine.labels:
            raise InputError(
                f"open_set: no image of {task.options.dataset}/{task.options.split} is of a class "
                f"that is {group} in the train split of {task.options.seen_in}. Set another "
                "seen_in, or leave out the protocol."
            )
        by_class = np.array([one.value for one in class_accuracies(mine)])
        measures += _measures(mine, by_class, count, group, task)
        by_group.append(by_class)
    interval = harmonic_interval(
        by_group[0],
        by_group[1],
        resamples=task.options.bootstrap,
        confidence=task.options.confidence,
        seed=task.seed,
    )
    means = [float(one.mean()) for one in by_group]
    measures.append(
        Measure(
            name="harmonic_mean",
            value=float(harmonic_mean(np.array(means[:1]), np.array(means[1:]))[0]),
            n=len(found.labels),
            classes=count,
            chance=1 / count,
            **(interval.model_dump() if interval else {}),
        )
    )
    counts = {"texts": int(classes.texts.sum()), "texts_cut": int(classes.cut.sum())}
    return Judged(
        n=len(found.labels), classes=count, measures=measures, predictions=found, counts=counts
    )


def among_labels(predictions: Predictions, class_ids: Sequence[str]) -> Predictions:
    """Those of the images whose true class is one of ``class_ids``."""
    chosen = set(class_ids)
    rows = [row for row, label in enumerate(predictions.labels) if label in chosen]
    return Predictions(
        [predictions.image_ids[row] for row in rows],
        [predictions.labels[row] for row in rows],
        [predictions.classes[row] for row in rows],
        [predictions.scores[row] for row in rows],
    )


def _measures(
    mine: Predictions, by_class: Floats, count: int, group: str, task: Task
) -> list[Measure]:
    """Of one group; intervals are over classes, whose images are not independent."""
    credit, facets, chance = mine.correct(), {"group": group}, 1 / count
    labels = sorted(set(mine.labels))
    options = {
        "resamples": task.options.bootstrap,
        "confidence": task.options.confidence,
        "seed": task.seed,
        "kind": task.options.interval,
    }
    over_images = class_share_interval(credit, mine.labels, **options)  # type: ignore[arg-type]
    over_classes = class_share_interval(by_class, labels, **options)  # type: ignore[arg-type]
    macro = Measure(
        name="macro",
        facets=facets,
        value=float(by_class.mean()),
        n=len(credit),
        classes=count,
        chance=chance,
        **over_classes.model_dump(),
    )
    share = measure_share("top1", credit, over_images, chance=chance, classes=count, facets=facets)
    return [share, macro]


def harmonic_mean(first: Floats, second: Floats) -> Floats:
    """2 a b / (a + b), and 0 where both are 0 [n]."""
    total = first + second
    return np.divide(2 * first * second, total, out=np.zeros_like(total), where=total > 0)


def harmonic_interval(
    seen: Floats, unseen: Floats, *, resamples: int, confidence: float, seed: int
) -> Interval | None:
    """Percentile bootstrap interval of the harmonic mean of two means over classes.

    A resample draws as many seen and as many unseen classes as there are. None where one group's
    classes all have the same accuracy: its resamples would not differ.

    Args:
        seen: accuracy of each seen class.
        unseen: accuracy of each unseen class.
        resamples: number of resamples.
        confidence: of the interval.
        seed: of the resampling.
    """
    if np.ptp(seen) == 0 or np.ptp(unseen) == 0:
        return None
    means = [
        np.concatenate([w @ values / len(values) for w in class_weights(len(values), resamples, s)])
        for values, s in ((seen, 2 * seed), (unseen, 2 * seed + 1))
    ]
    tail = (1 - confidence) / 2
    low, high = (float(end) for end in np.quantile(harmonic_mean(*means), [tail, 1 - tail]))
    return Interval(low=low, high=high, confidence=confidence, method="bootstrap over classes")
