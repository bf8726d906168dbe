"""The captions that a reply holds: its text, or those of the JSON that was asked for."""

import json

from nicheclip.captions.backend import Reply, storable

DECLINED = "declined"
"""How the done_reason of a request begins that the server does not take."""

NOT_JSON = "not_json"
EMPTY_LIST = "empty_list"


def usable(reply: Reply, variants: int) -> bool:
    """Whether another seed could not do better: a whole text of the asked form."""
    texts, _ = captions_in(reply.text, variants)
    return reply.done_reason == "stop" and any(text.strip() for text in texts)


def captions_in(text: str, variants: int) -> tuple[list[str], str | None]:
    """The captions in a reply, at most ``variants``, and why there is none.

    Args:
        text: of the reply.
        variants: how many were asked for; above 1 the reply should be the JSON of
            ``prompts.answer_schema``.
    """
    if variants == 1:
        return [text], None
    try:
        answer = json.loads(text)
        texts = answer["captions"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return [], f'{NOT_JSON}: expected {{"captions": [...]}}'
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        return [], f"{NOT_JSON}: captions is not a list of texts"
    if not texts:
        return [], f"{EMPTY_LIST}: no caption in the list"
    return [storable(one) for one in texts[:variants]], None
