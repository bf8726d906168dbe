"""CuPL: CLIP's classifier with descriptions of each class instead of templates.

For a class c with descriptions d_1 ... d_M, g(d_j) of length 1, f an image's feature of length 1:

    anchors          a_c = mean_j g(d_j) / |mean_j g(d_j)|     score_c(f) = f . a_c
    mean of cosines  score_c(f) = 1/M sum_j f . g(d_j)         (FAIR's equation 5)

The two order the classes differently: the mean of a class whose descriptions agree is longer.
Certain: FAIR's text says that it averages the scores, which is the second; every published code
(CuPL, DPA, microCLIP) computes the first, which is therefore the default.
"""

from typing import Literal

from torch import Tensor

from nicheclip.adaptation import clip
from nicheclip.adaptation.checks import check_features
from nicheclip.adaptation.class_texts import ClassTexts

Combination = Literal["anchors", "mean_of_cosines"]


def class_vectors(texts: ClassTexts, combination: Combination = "anchors") -> Tensor:
    """[C, d]: what an image's feature is multiplied with; of length 1 for ``anchors`` alone.

    Raises:
        InputError: a class has no description.
    """
    texts.check_every_class("description")
    return clip.class_anchors(texts) if combination == "anchors" else clip.mean_texts(texts)


def scores(images: Tensor, texts: ClassTexts, combination: Combination = "anchors") -> Tensor:
    """[n, C]: the score of each class for images [n, d] of length 1.

    Raises:
        InputError: a class has no description, or the features are not what they should be.
    """
    check_features(images, "image features", texts.features.shape[1])
    return images @ class_vectors(texts, combination).T
