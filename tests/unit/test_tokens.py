"""Tokens that are kept: those of the tokenizer, asked for once, and a bounded number of them."""

import open_clip
import pytest
import torch

from nicheclip.training.tokens import TokenCache


class Counted:
    """A tokenizer that remembers what it was asked for."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts):
        self.asked.append(list(texts))
        return torch.tensor([[len(text), ord(text[0])] for text in texts])


def test_they_are_those_of_open_clip_in_the_order_of_the_texts():
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    cache = TokenCache(tokenizer)
    batches = [
        ["a red thing", "Ein Käfer, groß", "a red thing"],
        ["x " * 90, "a red thing"],
        ["&amp;"],
    ]
    for texts in [*batches, *batches]:
        tokens = cache(texts)
        assert tokens.equal(tokenizer(texts)) and tokens.dtype == torch.int64


def test_a_text_is_tokenised_once():
    counted = Counted()
    cache = TokenCache(counted)
    assert cache(["aa", "b", "aa"]).tolist() == [[2, 97], [1, 98], [2, 97]]
    assert cache(["b", "ccc"]).tolist() == [[1, 98], [3, 99]]
    assert counted.asked == [["aa", "b"], ["ccc"]]


def test_what_came_last_is_kept_and_no_more():
    counted = Counted()
    cache = TokenCache(counted, kept=2)
    for texts in (["a"], ["b"], ["a"], ["c"], ["a"], ["b"]):
        cache(texts)
    assert counted.asked == [["a"], ["b"], ["c"], ["b"]]


@pytest.mark.parametrize("kept", [1, 2])
def test_a_batch_may_have_more_texts_than_are_kept(kept):
    cache = TokenCache(Counted(), kept=kept)
    for _ in range(2):
        assert cache(["a", "bb", "ccc"]).tolist() == [[1, 97], [2, 98], [3, 99]]


def test_changing_what_was_given_changes_nothing_that_is_kept():
    cache = TokenCache(Counted())
    cache(["a", "b"]).zero_()
    assert cache(["a", "b"]).tolist() == [[1, 97], [1, 98]]
