"""FAIR's learned alignment score, and the weight of the label that it gives.

For an image x with crops p_1 ... p_N, f(.) a feature of length 1, z(.) the [CLS] token after the
last norm and before the projection, a_c the anchor of class c:

    w_i   = cos(z(x), z(p_i))                                      (12)  no softmax
    I_k   = the k crops with the largest w_i                       (13)
    LAS_c = sum over i in I_k of w_i cos(f(p_i), a_c)              (11, 14)
    label = the class c with the largest LAS_c

Certain: crops, [CLS], no softmax, top k, anchors instead of descriptions. Reconstructed, since the
paper's text has lost its formulas: that w is a plain cosine, and which [CLS]; its authors' next
method takes this one.

The weight (16) of a label uses the first two scores and the anchors of their classes c1, c2, and is
smaller where the two are near to each other. No formula is known. With s_c = LAS_c divided by the
sum of |w_i|, a mean cosine, and q = softmax(scale * s), the candidates are

    margin          (q_c1 - q_c2) (1 - cos(a_c1, a_c2))
    ratio           1 - s_c2 / s_c1 * cos(a_c1, a_c2), kept within 0 and 1
    relative_ratio  (1 - q_c2 / q_c1) (1 - cos(a_c1, a_c2)), divided by its mean over the batch

Without the anchors' part the last factor of each is 1.
"""

from typing import Literal

from torch import Tensor, ones_like
from torch.nn.functional import normalize

WeightFormula = Literal["none", "margin", "ratio", "relative_ratio"]


def relevance(image_cls: Tensor, crop_cls: Tensor) -> Tensor:
    """[n, N]: w, from the [CLS] tokens of images [n, width] and of their crops [n, N, width]."""
    images, crops = normalize(image_cls, dim=-1), normalize(crop_cls, dim=-1)
    return (images[:, None] * crops).sum(dim=-1)


def alignment_scores(
    weights: Tensor, crops: Tensor, classes: Tensor, top: int | None = None
) -> Tensor:
    """[n, C]: LAS divided by the sum of |w_i|, a mean cosine: the label is the same.

    Args:
        weights: [n, N], w.
        crops: [n, N, d], features of the crops, of length 1.
        classes: [C, d], what crops are compared with.
        top: k; None: all crops.
    """
    if top is not None and top < weights.shape[1]:
        chosen = weights.topk(top, dim=1).indices
        weights = weights.gather(1, chosen)
        crops = crops.gather(1, chosen[:, :, None].expand(-1, -1, crops.shape[2]))
    scores = (weights[:, :, None] * crops).sum(dim=1) @ classes.T
    return scores / weights.abs().sum(dim=1, keepdim=True).clamp_min(1e-12)


def label_weights(
    scores: Tensor,
    anchors: Tensor,
    formula: WeightFormula,
    *,
    by_anchors: bool,
    logit_scale: float,
) -> Tensor:
    """[n]: the weight of each image's label, not yet divided by a mean.

    Args:
        scores: [n, C], mean cosines.
        anchors: [C, d], of length 1.
        formula: which candidate.
        by_anchors: whether the anchors' part counts.
        logit_scale: from cosine to logit.
    """
    if formula == "none":
        return ones_like(scores[:, 0])
    first, second = scores.topk(2, dim=1).indices.T
    nearness = (anchors[first] * anchors[second]).sum(dim=1)
    values = scores if formula == "ratio" else (logit_scale * scores).softmax(dim=1)
    best, next_best = (values.gather(1, c[:, None]).squeeze(1) for c in (first, second))
    if formula == "ratio":
        share = next_best / best * (nearness if by_anchors else 1)
        return (1 - share).clamp(0, 1)
    apart = 1 - nearness if by_anchors else ones_like(nearness)
    return apart * (best - next_best if formula == "margin" else 1 - next_best / best)
