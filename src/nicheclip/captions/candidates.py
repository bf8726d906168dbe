"""Texts that may become captions, class by class or image by image."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from nicheclip.captions.answers import captions_in
from nicheclip.captions.backend import Reply, Request
from nicheclip.captions.targets import Target

Pair = tuple[Request, Reply]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that may become a caption."""

    request: Request
    reply: Reply
    sample: int
    """Number of the text among those of its class or image."""
    text: str
    trouble: str | None = None
    """Why the reply holds no text."""


@dataclass(frozen=True, slots=True)
class Described:
    """All texts of one class or image, by sample."""

    target: Target
    candidates: Sequence[Candidate]


def by_target(replies: Iterable[Pair]) -> Iterator[tuple[Target, Iterator[Pair]]]:
    """The replies of each target, which follow each other."""
    for (class_id, image_id), own in groupby(
        replies, key=lambda pair: (pair[0].class_id, pair[0].image_id)
    ):
        yield Target(class_id, image_id), own


def described(
    replies: Iterable[tuple[Target, Iterable[Pair]]], samples: int
) -> Iterator[Described]:
    """The texts in the replies of each target, of which ``samples`` were asked for."""
    for target, own in replies:
        found = [one for request, reply in own for one in _candidates(request, reply, samples)]
        yield Described(target, sorted(found, key=lambda one: one.sample))


def _candidates(request: Request, reply: Reply, samples: int) -> list[Candidate]:
    texts, trouble = captions_in(reply.text, request.variants)
    start = request.sample * request.variants
    if not texts:
        return [Candidate(request, reply, start, "", trouble)]
    return [
        Candidate(request, reply, start + place, text)
        for place, text in enumerate(texts[: samples - start])
    ]
