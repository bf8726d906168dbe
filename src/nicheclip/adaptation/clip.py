"""CLIP's zero-shot classifier with an ensemble of templates.

For a class c with the texts t_1 ... t_m (its name in each template), g the text encoder followed
by a division by length, f an image's feature of length 1:

    a_c = mean_j g(t_j) / |mean_j g(t_j)|        score_c(f) = f . a_c
    p_c(f) = softmax_c(s * score_c(f)), s the model's logit scale (100 in all published CLIPs)

Certain: the equations of Radford et al. (arXiv 2103.00020, section 3.1.4) and FAIR's 1 and 2.
"""

from torch import Tensor
from torch.nn.functional import normalize

from nicheclip.adaptation.checks import check_features, check_number
from nicheclip.adaptation.class_texts import ClassTexts


def class_anchors(texts: ClassTexts) -> Tensor:
    """[C, d], rows of length 1: normalise each text, average by class, normalise again.

    Raises:
        InputError: a class has no text.
    """
    return normalize(mean_texts(texts), dim=1)


def mean_texts(texts: ClassTexts) -> Tensor:
    """[C, d]: the mean of each class's text features, not normalised.

    Raises:
        InputError: a class has no text.
    """
    texts.check_every_class()
    return texts.sums() / texts.counts()[:, None]


def scores(images: Tensor, anchors: Tensor) -> Tensor:
    """[n, C]: cosines of images [n, d] and anchors [C, d], all rows of length 1.

    Raises:
        InputError: features that are no numbers, of another length or of different widths.
    """
    check_features(images, "image features")
    check_features(anchors, "class anchors", images.shape[1])
    return images @ anchors.T


def probabilities(class_scores: Tensor, logit_scale: float) -> Tensor:
    """[n, C]: softmax over the classes of ``logit_scale`` times the scores [n, C]."""
    check_number(logit_scale, "logit scale", 0, above=True)
    return (logit_scale * class_scores).softmax(dim=1)
