import math
import random

import pytest
import torch
from torch.nn.functional import normalize

from nicheclip.models.openclip import open_clip
from nicheclip.runtime.errors import InputError
from nicheclip.training.losses import (
    Logits,
    Pairs,
    contrastive_share,
    multi_positive_loss,
    multi_positive_share,
    sigmoid_share,
)


def features(n, d=6, seed=0, dtype=torch.float64):
    random = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(n, d, generator=random, dtype=dtype), dim=1)


def loss(images, texts, labels, scale=1.0):
    scale = torch.tensor(scale, dtype=images.dtype)
    return multi_positive_loss(images, texts, scale, labels, labels)


def test_equal_features_cost_ln_n_in_each_direction():
    same = torch.ones(9, 4, dtype=torch.float64) / 2
    labels = torch.arange(3).repeat_interleave(3)
    assert loss(same, same, labels, 50.0).item() == pytest.approx(2 * math.log(9), abs=1e-12)


def test_perfect_separation_of_a_batch_of_512_reaches_ln_171_and_no_less():
    """With 3 classes each direction lies between ln 171 = 5.14 and ln 512 = 6.24."""
    labels = torch.arange(512) % 3
    sizes = torch.bincount(labels)  # 171, 171, 170
    axes = torch.eye(3, dtype=torch.float64)[labels]
    floor = 2 * sum(int(n) * math.log(int(n)) for n in sizes) / 512
    assert loss(axes, axes, labels, 100.0).item() == pytest.approx(floor, abs=1e-9)
    assert floor / 2 == pytest.approx(math.log(171), abs=2e-3)
    worse = loss(features(512), features(512, seed=1), labels, 100.0).item()
    assert worse > floor


def test_three_pairs_by_hand():
    """Similarities are the rows of ``s``; pairs 0 and 1 share a class."""
    s = [[1.0, 0.0, 0.6], [0.0, 1.0, 0.8], [0.6, 0.8, 1.0]]
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], dtype=torch.float64)
    scale = 2.0

    def term(row, positives):
        total = math.log(sum(math.exp(scale * x) for x in row))
        return sum(total - scale * row[p] for p in positives) / len(positives)

    one_direction = (term(s[0], [0, 1]) + term(s[1], [0, 1]) + term(s[2], [2])) / 3
    value = loss(images, images, torch.tensor([7, 7, 3]), scale).item()
    assert value == pytest.approx(2 * one_direction, abs=1e-12)  # s is symmetric


def test_one_sample_per_class_is_twice_the_loss_of_open_clip():
    images, texts = features(7), features(7, seed=1)
    scale = torch.tensor(14.0, dtype=torch.float64)
    peer = open_clip.ClipLoss()(images, texts, scale)
    labels = torch.arange(7)
    assert multi_positive_loss(images, texts, scale, labels, labels).item() == pytest.approx(
        2 * peer.item(), abs=1e-12
    )
    pairs = Pairs(images, texts, torch.zeros(7, dtype=torch.int64))
    assert contrastive_share(pairs, pairs, scale, 0).item() == pytest.approx(peer.item(), abs=1e-12)


def test_gradients_agree_with_finite_differences():
    images, texts = features(5, 3).requires_grad_(), features(5, 3, seed=1).requires_grad_()
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 1, 0, 2, 1])
    assert torch.autograd.gradcheck(
        lambda i, t, s: multi_positive_loss(i, t, s, labels, labels), (images, texts, scale)
    )


def test_order_of_pairs_does_not_matter():
    images, texts = features(8), features(8, seed=1)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 0])
    order = random.Random(0).sample(range(8), 8)
    shuffled = loss(images[order], texts[order], labels[order], 9.0)
    assert shuffled.item() == pytest.approx(loss(images, texts, labels, 9.0).item(), abs=1e-12)


def test_an_anchor_without_a_positive_is_not_hidden():
    images, texts = features(2), features(2, seed=1)
    scale = torch.tensor(1.0, dtype=torch.float64)
    value = multi_positive_loss(images, texts, scale, torch.tensor([0, 1]), torch.tensor([0, 0]))
    assert torch.isnan(value)


@pytest.mark.parametrize("cuts", [[4, 4], [5, 3], [1, 3, 4]])
def test_shares_of_unequal_slices_add_up_to_the_loss_of_the_batch(cuts):
    scale = torch.tensor(9.0, dtype=torch.float64)
    whole = Pairs(features(8), features(8, seed=1), torch.tensor([0, 1, 2, 0, 1, 2, 0, 0]))
    multi, single, offset = 0.0, 0.0, 0
    for size in cuts:
        part = slice(offset, offset + size)
        own = Pairs(whole.images[part], whole.texts[part], whole.labels[part])
        multi += multi_positive_share(own, whole, scale).item()
        single += contrastive_share(own, whole, scale, offset).item()
        offset += size
    assert multi == pytest.approx(loss(whole.images, whole.texts, whole.labels, 9.0).item())
    peer = open_clip.ClipLoss()(whole.images, whole.texts, scale)
    assert single == pytest.approx(peer.item())


def test_siglips_loss_against_loops_and_open_clip():
    images, texts, scale, bias = features(5), features(5, seed=1), 7.0, -2.0
    pairs = Pairs(images, texts, torch.arange(5))
    slow = 0.0
    for i in range(5):
        for j in range(5):
            logit = (1 if i == j else -1) * (scale * float(images[i] @ texts[j]) + bias)
            slow += math.log1p(math.exp(-logit)) / 5
    logits = Logits(torch.tensor(scale), torch.tensor(bias))
    assert sigmoid_share(pairs, pairs, logits, 0).item() == pytest.approx(slow, abs=1e-9)
    peer = open_clip.loss.SigLipLoss()(images, texts, logits.scale, logits.bias)
    assert peer.item() == pytest.approx(slow, abs=1e-6)
    slices = [(0, 2), (2, 5)]
    shares = [
        sigmoid_share(Pairs(images[a:b], texts[a:b], torch.arange(a, b)), pairs, logits, a)
        for a, b in slices
    ]
    assert sum(shares).item() == pytest.approx(slow, abs=1e-9)


def test_siglips_loss_needs_a_bias():
    pairs = Pairs(features(2), features(2), torch.arange(2))
    with pytest.raises(InputError, match=r"has none\. Start from a SigLIP, or .*init_logit_bias"):
        sigmoid_share(pairs, pairs, Logits(torch.tensor(1.0)), 0)
