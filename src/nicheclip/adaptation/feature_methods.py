"""Methods without training, from the start model's features of a task to scores of its images."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from nicheclip.adaptation import clip as zero_shot
from nicheclip.adaptation import coder, cupl, optimal_transport, stata, transclip, wca
from nicheclip.adaptation.assignments import AssignmentOptions
from nicheclip.adaptation.task_features import TaskFeatures
from nicheclip.adaptation.vision import Seen, seen_by
from nicheclip.config.training_free import (
    AssignmentChoices,
    ClipMethod,
    CoderMethod,
    CuplMethod,
    StatAMethod,
    TrainingFree,
    TransClipMethod,
    TransportMethod,
    WcaMethod,
)
from nicheclip.models.class_scores import ClassScores
from nicheclip.models.classifier import Classifier
from nicheclip.runtime.errors import InputError


@dataclass(frozen=True)
class Found:
    """What a method gives."""

    scores: ClassScores
    classifier: Classifier | None = None
    """Where the method is one vector for each class."""


def apply(method: TrainingFree, features: TaskFeatures, seed: int) -> Found:
    """Scores of the judged images by ``method``; ``seed`` draws crops.

    Raises:
        InputError: texts that the method needs are not there, or as the method.
    """
    given = _METHODS[method.kind](method, features, seed)
    probabilities, anchors = given if isinstance(given, tuple) else (given, None)
    texts = features.texts
    scores = ClassScores(
        features.inputs.judged.image_ids, list(texts.class_ids), probabilities.float().numpy()
    )
    if anchors is None:
        return Found(scores)
    classifier = Classifier(
        anchors.numpy(), texts.class_ids, features.logit_scale, texts.class_names
    )
    return Found(scores, classifier)


Given = Tensor | tuple[Tensor, Tensor]
"""Probabilities [n, C], and anchors [C, d] where there are some."""


def _clip(method: ClipMethod, features: TaskFeatures, seed: int) -> Given:
    del method, seed
    return _by_anchors(features.anchors, features)


def _cupl(method: CuplMethod, features: TaskFeatures, seed: int) -> Given:
    del seed
    descriptions = features.texts.descriptions
    if method.combination == "anchors":
        return _by_anchors(cupl.class_vectors(descriptions), features)
    return _softmax(cupl.scores(features.judged, descriptions, method.combination), features)


def _wca(method: WcaMethod, features: TaskFeatures, seed: int) -> Given:
    crops = features.crops(method.crops, method.crop_side, seed)
    descriptions, weighting = features.texts.descriptions, wca.FORMULAS[method.formula]
    found = wca.scores(features.judged, crops, descriptions, features.anchors, weighting)
    return _softmax(found, features)


def _coder(method: CoderMethod, features: TaskFeatures, seed: int) -> Given:
    del method, seed
    if features.texts.details is None:
        raise InputError(
            "coder: needs attributes and analogies of each class; there are none. Give the task "
            "`texts.details`, or leave this method out."
        )
    return _softmax(
        coder.scores(features.judged, features.prompts, features.texts.details), features
    )


def _transclip(method: TransClipMethod, features: TaskFeatures, seed: int) -> Given:
    del seed
    options = transclip.TransClipOptions(
        iterations=method.iterations,
        confident_images=method.confident_images,
        unit_means=method.unit_means,
        logit_scale=features.logit_scale,
        assignments=_assignments(method.assignments),
    )
    found = transclip.transduce(features.fit, features.anchors, options)
    return _transduced(found, features, options.assignments)


def _stata(method: StatAMethod, features: TaskFeatures, seed: int) -> Given:
    del seed
    options = stata.StatAOptions(
        iterations=method.iterations,
        anchor_weight=method.anchor_weight,
        counts=method.counts,
        formula=method.formula,
        logit_scale=features.logit_scale,
        assignments=_assignments(method.assignments),
    )
    found = stata.transduce(features.fit, features.anchors, options)
    return _transduced(found, features, options.assignments)


def _transport(method: TransportMethod, features: TaskFeatures, seed: int) -> Given:
    """In float64: scores are divided by the small weight of the entropy."""
    del seed
    options = optimal_transport.TransportOptions(**method.model_dump(exclude={"kind", "vision"}))
    seen = [seen_by(model, features) for model in method.vision]
    seen = seen or [Seen(features.fit, features.judged)]
    anchors = features.anchors.double()

    def texts(images: Tensor) -> list[Tensor]:
        return [(features.logit_scale * images.double() @ anchors.T).softmax(dim=1)]

    fitted = [one.fit.double() for one in seen]
    fusion = optimal_transport.fuse(fitted, texts(features.fit), options)
    if features.inputs.is_transductive:
        return fusion.assignments
    judged = [one.judged.double() for one in seen]
    found = optimal_transport.classify(fusion, judged, texts(features.judged), options)
    return found / found.sum(dim=1, keepdim=True)


def _transduced(
    found: transclip.Transduction, features: TaskFeatures, options: AssignmentOptions
) -> Tensor:
    """The fitted images were classified together; others follow one by one."""
    if features.inputs.is_transductive:
        return found.assignments
    return found.classify(
        features.judged, features.anchors, logit_scale=features.logit_scale, options=options
    )


def _assignments(choices: AssignmentChoices) -> AssignmentOptions:
    return AssignmentOptions(**choices.model_dump())


def _by_anchors(anchors: Tensor, features: TaskFeatures) -> tuple[Tensor, Tensor]:
    return _softmax(zero_shot.scores(features.judged, anchors), features), anchors


def _softmax(scores: Tensor, features: TaskFeatures) -> Tensor:
    return zero_shot.probabilities(scores, features.logit_scale)


_METHODS: dict[str, Callable[[Any, TaskFeatures, int], Given]] = {
    "clip": _clip,
    "cupl": _cupl,
    "wca": _wca,
    "coder": _coder,
    "transclip": _transclip,
    "stata": _stata,
    "optimal_transport": _transport,
}
