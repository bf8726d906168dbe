"""What an adapted model says of the judged images of its task."""

from pathlib import Path

import torch

from nicheclip.data.image_set import ImageSet
from nicheclip.models.class_scores import ClassScores
from nicheclip.models.classifier import Classifier, read_classifier
from nicheclip.models.encode import encode_images
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.features import Array
from nicheclip.models.openclip import load
from nicheclip.subjects import CLASSIFIER_FILE

#: images that go through a model at once
IMAGE_BATCH = 256


def classify(
    model: Path, images: ImageSet, *, device: str = "cpu", threads: int = 1
) -> tuple[ClassScores, Array]:
    """Scores of ``images`` by the model folder ``model`` and the classifier in it, and the model's
    features of them [n, d].
    """
    settings = EncodeSettings(IMAGE_BATCH, device, threads)
    features = encode_images(load(model), images, settings)
    classifier = read_classifier(model / CLASSIFIER_FILE)
    scores = ClassScores(
        features.image_ids,
        list(classifier.class_ids),
        _probabilities(features.features, classifier),
    )
    return scores, features.features


def _probabilities(features: Array, classifier: Classifier) -> Array:
    logits = torch.from_numpy(features @ classifier.anchors.T) * classifier.logit_scale
    probabilities: Array = logits.softmax(dim=1).numpy()
    return probabilities
