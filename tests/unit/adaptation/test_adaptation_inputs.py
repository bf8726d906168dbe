import pytest
import torch

from nicheclip.adaptation import clip, coder, cupl, wca
from nicheclip.adaptation.checks import check_features, check_probabilities
from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.runtime.errors import InputError
from small_features import texts_of, unit


def test_texts_of_uneven_counts_know_their_classes():
    texts = texts_of([2, 1, 3])
    assert texts.owners.tolist() == [0, 0, 1, 2, 2, 2]
    assert texts.counts().tolist() == [2, 1, 3]
    torch.testing.assert_close(texts.sums()[2], texts.features[3:].sum(dim=0))
    weighted = texts.sums(torch.tensor([1.0, 2, 3, 4, 5, 6], dtype=torch.float64))
    torch.testing.assert_close(weighted[0], texts.features[0] + 2 * texts.features[1])


def test_two_classes_of_one_name_are_refused():
    with pytest.raises(InputError, match=r"1 names belong to several classes, the first 'oak'"):
        ClassTexts.of(["oak", "elm", "oak"], unit(3, 1, 4).unbind())


@pytest.mark.parametrize(
    "score",
    [
        lambda images, texts: clip.class_anchors(texts),
        cupl.scores,
        lambda images, texts: wca.class_vectors(texts, unit(3, 6)),
        coder.scores,
    ],
)
def test_a_class_without_texts_is_named(score):
    texts = texts_of([2, 0, 1])
    with pytest.raises(InputError, match=r"1 of 3 classes have no \w+: 'class 1'"):
        score(unit(4, 6), texts)


def test_no_class_and_no_text_are_refused():
    with pytest.raises(InputError, match="there are none"):
        ClassTexts.of([], [])
    with pytest.raises(InputError, match="none of the 2 classes has a text"):
        ClassTexts.of(["a", "b"], [torch.zeros(0, 4), torch.zeros(0, 4)])
    with pytest.raises(InputError, match="1 lists of texts for 2 class names"):
        ClassTexts.of(["a", "b"], [unit(1, 4)])


@pytest.mark.parametrize("owners", [[0, 1], [0, 1, 2], [-1, 0, 1]])
def test_owners_must_fit_names_and_texts(owners):
    with pytest.raises(InputError, match="owners"):
        ClassTexts(("a", "b"), unit(3, 4), torch.tensor(owners))


def test_features_that_are_no_numbers_are_named_by_their_row():
    features = unit(5, 4)
    features[3, 1] = torch.nan
    with pytest.raises(InputError, match="image features: 1 of 5 rows, the first 3, hold NaN"):
        check_features(features, "image features")


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (2 * unit(3, 4), "3 of 3 rows, the first 0 with length 2, are not of length 1"),
        (torch.zeros(2, 4), "the first 0 with length 0"),
        (unit(3, 4)[:0], "there are none"),
        (unit(3, 4)[0], r"a tensor \[4\]"),
        (unit(3, 4).half(), "float16"),
        (unit(3, 5), "5 dimensions, expected 4"),
    ],
)
def test_features_of_another_kind_are_refused(features, message):
    with pytest.raises(InputError, match=message):
        check_features(features, "image features", 4)


def test_half_precision_read_as_float32_is_long_enough():
    check_features(unit(50, 512).half().float(), "image features", 512)


def test_probabilities_must_be_some():
    check_probabilities(torch.full((3, 4), 0.25), "p", 3)
    with pytest.raises(InputError, match="p: 1 of 2 rows, the first 1, are not probabilities"):
        check_probabilities(torch.tensor([[0.5, 0.5], [1.5, -0.5]]), "p")
    with pytest.raises(InputError, match="3 rows for 4 images"):
        check_probabilities(torch.full((3, 4), 0.25), "p", 4)
