"""Replies that refuse, and texts that only look so."""

import pytest
from judged_texts import reasons

REFUSALS = [
    "I can't help with that.",
    "I cannot provide a description of this.",
    "I’m unable to see the picture.",
    "I am not able to describe spores.",
    "I'm afraid this is beyond me.",
    "I won't describe spores.",
    "I must decline to answer.",
    "I don't have enough information.",
    "I couldn't find any spores.",
    "I would need to see the picture first.",
    "I have no information about spores.",
    "I'm just an AI and see nothing.",
    "As a language model, pictures are beyond me.",
    "Sorry, spores are not for me.",
    "My apologies, but there are no spores.",
    "No image was provided.",
    "Please provide the image that shows spores.",
    "There is no definitive answer to this question.",
    "It is not possible to describe spores from their name.",
    "This request goes against my guidelines.",
    "This violates the content policy of spores.",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_no_caption(text):
    assert "refusal" in reasons(text, min_words=1)


@pytest.mark.parametrize(
    "text",
    [
        "The petals provide a landing place that pleases bees.",
        "One clear disc lies on policed ground, with no single spore beside it.",
        "It is possible to describe it as round.",
    ],
)
def test_words_of_refusals_alone_refuse_nothing(text):
    assert reasons(text) == []
