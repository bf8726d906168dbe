"""Answers of a linear classifier."""

from typing import Any, Protocol

from nicheclip.evaluation.predictions import TOP, Predictions, make_predictions
from nicheclip.evaluation.ranking import order_by_score


class Classifier(Protocol):
    """Scikit-learn's, or one that is used like it."""

    @property
    def classes_(self) -> Any:
        """Class ids [c], sorted."""

    def predict_proba(self, features: Any) -> Any:
        """Probabilities [n, c] of features [n, d]."""


def logistic_answers(
    classifier: Classifier, features: Any, image_ids: list[str], labels: list[str]
) -> Predictions:
    """The best classes of n images with the classifier's probabilities.

    Args:
        classifier: fitted to class ids.
        features: [n, d].
        image_ids: n ids.
        labels: their n true classes.
    """
    probabilities = classifier.predict_proba(features)
    columns = [str(class_id) for class_id in classifier.classes_]
    order = order_by_score(probabilities, image_ids, TOP)
    return make_predictions(image_ids, labels, columns, order, probabilities)
