"""A caption set: replies judged by the gates, and the captions given to splits."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from nicheclip.captions.answers import captions_in
from nicheclip.captions.backend import Reply, Request
from nicheclip.captions.gates import Judgement, Subject, identifier, judge
from nicheclip.captions.local import local_replies
from nicheclip.captions.mentions import ClassNames
from nicheclip.captions.repeats import Repeats
from nicheclip.captions.replies import read_replies
from nicheclip.captions.shortfall import check_every_class, warn_of_thoughts
from nicheclip.captions.splits import Caption, partition, text_groups
from nicheclip.captions.targets import Target, class_names, targets
from nicheclip.config.captions import CaptionConfig
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.progress import progress
from nicheclip.schemas import CAPTIONS


@dataclass(frozen=True)
class CaptionSet:
    """A finished caption set."""

    table: pa.Table
    """Schema ``CAPTIONS``: by class (or image) in the order of their tables, then by sample."""
    counts: dict[str, int]
    dropped: list[Dropped]
    """Input that was left out, and classes or images that got fewer captions than asked for."""


@dataclass(frozen=True)
class Candidate:
    """A text that may become a caption."""

    request: Request
    reply: Reply
    sample: int
    """Number of the text among those of its class or image."""
    text: str
    trouble: str | None = None
    """Why the reply holds no text."""


def make_caption_set(
    config: CaptionConfig,
    *,
    classes: pa.Table,
    catalog: pa.Table,
    replies: Sequence[Path],
    prompts: Path,
    seed: int,
    forbidden: Sequence[pa.Table] = (),
) -> CaptionSet:
    """Judge the replies of ``config``; no server is asked.

    A rejected text stays in the table with its reasons.

    Args:
        config: backend, gates.
        classes: schema ``CLASSES``.
        catalog: schema ``CATALOG``.
        replies: what a server said, part by part (schema ``REPLIES``); empty where the backend
            needs no server and gives its texts here.
        prompts: the prompt registry's folder.
        seed: of sampling and splits.
        forbidden: classes that no caption may name, of each benchmark (schema ``CLASSES``).

    Raises:
        InputError: wrong input, a class without any accepted caption, or with too few for its
            splits.
    """
    names = class_names(classes)
    chosen = list(targets(config, names, catalog))
    dropped: list[Dropped] = []
    if config.backend.remote:
        pairs = list(read_replies(replies))
    else:
        pairs, dropped = local_replies(config, chosen, names=names, prompts=prompts, seed=seed)
    candidates = _candidates(pairs, config.samples, chosen)
    benchmark = _class_names(class_names(table) for table in forbidden)
    judgements = _judge(candidates, config, _class_names([names]), benchmark)
    warn_of_thoughts(judgements)
    check_every_class([one.request for one in candidates], judgements)
    splits, judgements = _share_out(candidates, judgements, config, catalog, seed)
    check_every_class([one.request for one in candidates], judgements)
    rows = [
        _row(candidate, judgement, split)
        for candidate, judgement, split in zip(candidates, judgements, splits, strict=True)
    ]
    counts, short = _counts(candidates, judgements, config.samples, chosen)
    return CaptionSet(pa.Table.from_pylist(rows, schema=CAPTIONS), counts, dropped + short)


def _class_names(data_sets: Iterable[dict[str, dict[str, str]]]) -> ClassNames:
    """What the classes of some data sets may be called."""
    return ClassNames(
        {
            class_id: [class_id.replace("_", " "), *known.values()]
            for called in data_sets
            for class_id, known in called.items()
        }
    )


def _candidates(
    pairs: Iterable[tuple[Request, Reply]], samples: int, chosen: Sequence[Target]
) -> list[Candidate]:
    """The texts in the replies, by target in the order of ``chosen``, then by sample."""
    found = []
    for request, reply in pairs:
        texts, trouble = captions_in(reply.text, request.variants)
        start = request.sample * request.variants
        if not texts:
            found.append(Candidate(request, reply, start, "", trouble))
        found += [
            Candidate(request, reply, start + place, text)
            for place, text in enumerate(texts[: samples - start])
        ]
    order = {(target.class_id, target.image_id): place for place, target in enumerate(chosen)}
    found.sort(key=lambda one: (order[one.request.class_id, one.request.image_id], one.sample))
    return found


def _counts(
    candidates: Sequence[Candidate],
    judgements: Sequence[Judgement],
    samples: int,
    chosen: Sequence[Target],
) -> tuple[dict[str, int], list[Dropped]]:
    """Captions asked for, made, accepted, and rejected by reason; and targets that got too few."""
    counts = Counter(asked=len(chosen) * samples, generated=len(candidates))
    counts["accepted"] = sum(judgement.accepted for judgement in judgements)
    for judgement in judgements:
        counts.update({f"rejected_{identifier(reason)}" for reason in judgement.reasons})
    made = Counter(one.request.image_id or one.request.class_id for one in candidates)
    short = [
        Dropped(
            key=target.id,
            reason="fewer samples than asked for" if made[target.id] else "no sample",
        )
        for target in chosen
        if made[target.id] < samples
    ]
    return dict(counts), short


def _judge(
    candidates: Sequence[Candidate],
    config: CaptionConfig,
    names: ClassNames,
    benchmark: ClassNames,
) -> list[Judgement]:
    expected = Counter(one.request.class_id for one in candidates)
    repeats: dict[str, Repeats] = {}
    judgements = []
    for one in progress(candidates, label="gates"):
        request, reply = one.request, one.reply
        subject = Subject(request.class_id, request.prompt, reply.done_reason, reply.thought)
        if one.trouble:
            judgement = Judgement("", (one.trouble,), ())
        else:
            judgement = judge(one.text, subject, names, config.gates, benchmark)
        if judgement.accepted:
            own = request.class_id
            if own not in repeats:
                repeats[own] = Repeats(config.gates, expected[own])
            reason = repeats[own].add(judgement.text)
            judgement = judgement.rejected(reason) if reason else judgement
        judgements.append(judgement)
    return judgements


def _share_out(
    candidates: Sequence[Candidate],
    judgements: list[Judgement],
    config: CaptionConfig,
    catalog: pa.Table,
    seed: int,
) -> tuple[list[str | None], list[Judgement]]:
    """The split of each accepted caption; captions of images may be rejected here."""
    accepted = [place for place, judgement in enumerate(judgements) if judgement.accepted]
    texts = [judgements[place].text for place in accepted]
    splits: list[str | None] = [None] * len(judgements)
    rows = catalog.select(["image_id", "class_id", "split"]).to_pylist()
    if config.per == "class":
        images: dict[str, Counter[str]] = defaultdict(Counter)
        for row in rows:
            images[row["class_id"]][row["split"]] += 1
        captions = [
            Caption(candidates[place].request.class_id, text)
            for place, text in zip(accepted, texts, strict=True)
        ]
        descriptions = config.backend.kind == "replay"
        shared = partition(captions, images, seed=seed, descriptions=descriptions)
        for place, split in zip(accepted, shared, strict=True):
            splits[place] = split
        return splits, judgements
    judgements = list(judgements)
    split_of = {row["image_id"]: row["split"] for row in rows}
    taken: dict[int, str] = {}
    for place, group in zip(accepted, text_groups(texts), strict=True):
        own = split_of[candidates[place].request.image_id]
        if taken.setdefault(group, own) == own:
            splits[place] = own
        else:
            judgements[place] = judgements[place].rejected(
                f"crosses_splits: an image of {taken[group]} has this text"
            )
    return splits, judgements


def _row(candidate: Candidate, judgement: Judgement, split: str | None) -> dict[str, Any]:
    request, reply = candidate.request, candidate.reply
    return {
        "class_id": request.class_id,
        "image_id": request.image_id,
        "sample": candidate.sample,
        "text": judgement.text,
        "model": reply.model,
        "digest": reply.digest,
        "server": reply.server,
        "prompt": request.prompt,
        "options": reply.options,
        "raw": reply.text,
        "done_reason": reply.done_reason,
        "verdict": "accepted" if judgement.accepted else "rejected",
        "reasons": list(judgement.reasons),
        "notes": list(judgement.notes),
        "split": split,
    }
