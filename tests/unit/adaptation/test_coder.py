import pytest
import torch

from nicheclip.adaptation import clip, coder
from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.adaptation.coder import Rivals
from nicheclip.runtime.errors import InputError
from small_features import shuffled, texts_of, unit


def own_texts(texts, c):
    return [texts.features[t] for t in range(len(texts.owners)) if texts.owners[t] == c]


def test_scores_are_the_published_equation():
    names, details = texts_of([1, 3, 2]), texts_of([4, 0, 2], seed=1)
    images = unit(7, 6, seed=2)
    found = coder.scores(images, names, details)
    for i in range(7):
        for c in range(3):
            values = [float(images[i] @ t) for t in own_texts(details, c)]
            values.append(max(float(images[i] @ t) for t in own_texts(names, c)))
            assert found[i, c].item() == pytest.approx(sum(values) / len(values), abs=1e-12)


def test_names_alone_are_zero_shot():
    names, images = texts_of([1, 1, 1]), unit(5, 6, seed=2)
    torch.testing.assert_close(coder.scores(images, names), clip.scores(images, names.features))


def test_order_of_images_and_texts_does_not_matter():
    names, details, images = texts_of([1, 3, 2]), texts_of([4, 0, 2], seed=1), unit(7, 6, seed=2)
    scores, order = coder.scores(images, names, details), shuffled(7)
    torch.testing.assert_close(coder.scores(images[order], names, details), scores[order])
    order = shuffled(6)
    again = ClassTexts(names.class_names, names.features[order], names.owners[order])
    torch.testing.assert_close(coder.scores(images, again, details), scores)


def test_details_of_other_classes_are_refused():
    with pytest.raises(InputError, match="not of the same classes"):
        coder.scores(unit(2, 6), texts_of([1, 1]), texts_of([1, 1, 1]))


def all_pairs(classes, d=6, seed=4):
    features = iter(unit(classes * classes, 2, d, seed=seed))
    return {(a, b): next(features) for a in range(classes) for b in range(classes) if a != b}


def literal_rerank(scores, images, pairs, threshold, top):
    """The second step in loops, for each near tie."""
    decided = []
    for i in range(len(scores)):
        order = sorted(range(scores.shape[1]), key=lambda c: -float(scores[i, c]))
        p = torch.softmax(100 * scores[i], dim=0)
        if float(p[order[0]] - p[order[1]]) >= threshold:
            decided.append(order[0])
            continue
        candidates, totals = order[:top], []
        for c in candidates:
            parts = []
            for o in candidates:
                if o == c:
                    continue
                if (c, o) in pairs and (o, c) in pairs:
                    forth = [float(images[i] @ t) for t in pairs[c, o]]
                    back = [float(images[i] @ t) for t in pairs[o, c]]
                    parts.append(sum(forth) / len(forth) - sum(back) / len(back))
                else:
                    parts.append(0.0)
            totals.append(sum(parts) / len(parts))
        decided.append(candidates[max(range(len(totals)), key=totals.__getitem__)])
    return decided


@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.1])
@pytest.mark.parametrize("lacking", [[], [(0, 1), (4, 2), (5, 6)]])
def test_reranking_is_the_second_step(threshold, lacking):
    images = unit(40, 6, seed=2)
    scores = coder.scores(images, texts_of([1] * 7)) / 20
    pairs = {pair: value for pair, value in all_pairs(7).items() if pair not in lacking}
    found = coder.rerank(scores, images, Rivals.of(7, pairs), threshold=threshold)
    assert found.tolist() == literal_rerank(scores, images, pairs, threshold, 5)
    changed = (found != scores.argmax(dim=1)).sum().item()
    assert (changed == 0) if threshold == 0 else (changed > 5)


def test_every_near_tie_is_ranked_again_without_any_label():
    """Two classes, one near tie and one clear image: the texts against each other decide one."""
    scores = torch.tensor([[0.5, 0.499], [0.9, 0.1]])
    images = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    pairs = {(0, 1): torch.tensor([[1.0, 0.0]]), (1, 0): torch.tensor([[0.0, 1.0]])}
    assert coder.rerank(scores, images, Rivals.of(2, pairs)).tolist() == [1, 0]


def test_pairs_without_texts_leave_the_order():
    scores = torch.tensor([[0.500, 0.499, 0.498, 0.1]])
    rivals = Rivals.of(4, {(3, 0): torch.tensor([[1.0, 0.0]])})
    assert coder.rerank(scores, torch.tensor([[0.0, 1.0]]), rivals).tolist() == [0]


def test_one_class_has_no_rival():
    rivals = Rivals(unit(1, 6), torch.full((1, 1), -1))
    assert coder.rerank(torch.zeros(3, 1), unit(3, 6), rivals).tolist() == [0, 0, 0]


@pytest.mark.parametrize("pair", [(1, 1), (0, 2), (-1, 0)])
def test_texts_of_impossible_pairs_are_refused(pair):
    with pytest.raises(InputError, match="expected two of the 2 classes"):
        Rivals.of(2, {pair: unit(2, 4)})
