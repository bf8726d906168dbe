"""A caption set: requests to a backend, its replies judged, and the captions given to splits."""

import contextlib
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from nicheclip.captions.backend import Backend, BackendSetting, OpenedBackend, Reply, Request
from nicheclip.captions.cache import ReplyCache, cache_key
from nicheclip.captions.gates import Judgement, Subject, identifier, judge
from nicheclip.captions.mentions import ClassNames
from nicheclip.captions.prompts import Prompt, fill
from nicheclip.captions.repeats import Repeats
from nicheclip.captions.shortfall import check_every_class, warn_of_thoughts
from nicheclip.captions.splits import Caption, partition, text_groups
from nicheclip.config.captions import CaptionConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.progress import progress
from nicheclip.schemas import CAPTIONS
from nicheclip.taxonomy.flatten import class_names as text_names

Item = TypeVar("Item")
Result = TypeVar("Result")

WAITING = 4
"""Requests that wait in memory for each one under way."""

IMAGES_AT_ONCE = 64


@dataclass(frozen=True)
class CaptionSet:
    """A finished caption set."""

    table: pa.Table
    """Schema ``CAPTIONS``: by class (or image) in the order of their tables, then by sample."""
    counts: dict[str, int]
    dropped: list[Dropped]
    """Input that was left out, and classes or images that got fewer captions than asked for."""


@dataclass(frozen=True)
class _Target:
    """A class or an image that is to be described."""

    class_id: str
    image_id: str | None
    split: str | None
    """Of the image."""


def generate(
    config: CaptionConfig,
    *,
    classes: pa.Table,
    catalog: pa.Table,
    images: Sequence[Path],
    prompts: Path,
    cache: Path,
    seed: int,
) -> CaptionSet:
    """Make the caption set of ``config``; a killed run resumes from ``cache``.

    There is one reply for each sample: a rejected one stays in the table with its reasons.

    Args:
        config: backend, prompts, gates.
        classes: schema ``CLASSES``.
        catalog: schema ``CATALOG``.
        images: folders of image sets (``ImageSet``); read only where a model sees images.
        prompts: the prompt registry's folder.
        cache: JSON Lines file of the replies of a server.
        seed: of sampling and splits.

    Raises:
        BackendUnavailable: the backend cannot work; replies so far stay in the cache.
        InputError: wrong input, a class without any accepted caption, or with too few for its
            splits.
    """
    class_names = _class_names(classes)
    targets = _targets(config, class_names, catalog)
    ids = {target.image_id or target.class_id for target in targets}
    setting = BackendSetting(config.dataset, config.per, prompts, class_names, ids)
    opened = _open_backend(config, setting)
    backend, prompt, dropped = opened.backend, opened.prompt, opened.dropped
    counts: Counter[str] = Counter()
    with backend:
        samples = {
            target: backend.available(target.class_id, target.image_id, config.samples)
            for target in targets
        }
        total = sum(samples.values())
        requests = _requests(samples, prompt, class_names, images, seed)
        version = prompt.version if prompt else 0
        label = f"captions of {config.dataset}"
        with contextlib.closing(_replies(backend, requests, cache, version, counts)) as replies:
            pairs = list(progress(replies, label=label, total=total))
    order = {(t.class_id, t.image_id): place for place, t in enumerate(targets)}
    pairs.sort(key=lambda pair: (order[pair[0].class_id, pair[0].image_id], pair[0].sample))
    judgements = _judge(pairs, config, class_names)
    warn_of_thoughts(judgements)
    check_every_class(pairs, judgements)
    splits, judgements = _share_out(pairs, judgements, config, catalog, seed)
    check_every_class(pairs, judgements)
    counts.update(asked=len(targets) * config.samples, generated=total)
    counts["accepted"] = sum(judgement.accepted for judgement in judgements)
    for judgement in judgements:
        counts.update({f"rejected_{identifier(reason)}" for reason in judgement.reasons})
    short = [
        Dropped(
            key=target.image_id or target.class_id,
            reason="fewer samples than asked for" if number else "no sample",
        )
        for target, number in samples.items()
        if number < config.samples
    ]
    rows = [
        _row(request, reply, judgement, split)
        for (request, reply), judgement, split in zip(pairs, judgements, splits, strict=True)
    ]
    table = pa.Table.from_pylist(rows, schema=CAPTIONS)
    return CaptionSet(table, dict(counts), dropped + short)


def _class_names(classes: pa.Table) -> dict[str, dict[str, str]]:
    """What fills a prompt's slots, by class_id."""
    rows = zip(text_names(classes).iter_rows(named=True), classes["name"].to_pylist(), strict=True)
    return {
        names["class_id"]: {
            "class": name or names["com"],
            **{slot: names[slot] for slot in ("sci", "com", "taxon")},
        }
        for names, name in rows
    }


def _targets(
    config: CaptionConfig, class_names: dict[str, dict[str, str]], catalog: pa.Table
) -> list[_Target]:
    if config.per == "class":
        return [_Target(class_id, None, None) for class_id in class_names]
    rows = catalog.select(["class_id", "image_id", "split"]).to_pylist()
    return [_Target(row["class_id"], row["image_id"], row["split"]) for row in rows]


def _open_backend(config: CaptionConfig, setting: BackendSetting) -> OpenedBackend:
    """By name, so that a change of one backend makes no captions of another stale."""
    module = import_module(f"nicheclip.captions.{config.backend.kind}")
    opened: OpenedBackend = module.open_backend(config.backend, setting)
    return opened


def _requests(
    samples: dict[_Target, int],
    prompt: Prompt | None,
    class_names: dict[str, dict[str, str]],
    images: Sequence[Path],
    seed: int,
) -> Iterator[Request]:
    """The requests of each target; those with images in the order of the image files."""
    rendered = {
        class_id: fill(prompt.prompt, names) if prompt else ""
        for class_id, names in class_names.items()
    }
    sees = prompt is not None and any(target.image_id for target in samples)
    for target, image in _with_images(samples, images) if sees else ((t, None) for t in samples):
        for sample in range(samples[target]):
            yield Request(
                class_id=target.class_id,
                image_id=target.image_id,
                sample=sample,
                prompt=rendered[target.class_id],
                image=image,
                seed=seed,
            )


def _with_images(
    targets: Iterable[_Target], images: Sequence[Path]
) -> Iterator[tuple[_Target, bytes]]:
    """Each target with its image's bytes; a few images are in memory at a time."""
    waiting = {target.image_id: target for target in targets}
    for folder in images:
        split = ImageSet(folder)
        for start in range(0, len(split), IMAGES_AT_ONCE):
            rows = range(start, min(start + IMAGES_AT_ONCE, len(split)))
            for image in split.read_many(r for r in rows if split.image_id(r) in waiting):
                yield waiting.pop(image.image_id), image.encoded
    if waiting:
        raise InputError(
            f"captions: {len(waiting)} images of the catalog, the first {next(iter(waiting))}, are "
            f"in none of {[str(folder) for folder in images]}. Run the acquire stage of this data "
            "set again."
        )


def _replies(
    backend: Backend,
    requests: Iterable[Request],
    cache: Path,
    version: int,
    counts: Counter[str],
) -> Generator[tuple[Request, Reply]]:
    """Each request with its reply, in order; what a server said before comes from the cache."""
    if not backend.costly:
        for request in requests:
            yield request, backend.generate(request)
        return
    with ReplyCache(cache) as known:

        def answer(request: Request) -> tuple[Request, Reply, str]:
            options = backend.options(request)
            key = cache_key(backend.identity, request, version=version, options=options)
            reply, origin = known.get(key), "from_cache"
            if reply is None:
                reply, origin = backend.generate(request), "requested"
                known.put(key, reply)
            return replace(request, image=None), reply, origin

        with contextlib.closing(_concurrently(answer, requests, backend)) as answers:
            for request, reply, origin in answers:
                counts[origin] += 1
                yield request, reply


def _concurrently(
    function: Callable[[Item], Result], items: Iterable[Item], backend: Backend
) -> Generator[Result]:
    """``function`` of each item in order, several at once, few waiting; all end on an error."""
    pending: deque[Future[Result]] = deque()
    executor = ThreadPoolExecutor(backend.concurrency)
    try:
        for item in items:
            pending.append(executor.submit(function, item))
            if len(pending) >= WAITING * backend.concurrency:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    except BaseException:
        backend.cancel()
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _judge(
    pairs: list[tuple[Request, Reply]],
    config: CaptionConfig,
    class_names: dict[str, dict[str, str]],
) -> list[Judgement]:
    names = ClassNames(
        {
            class_id: [class_id.replace("_", " "), *called.values()]
            for class_id, called in class_names.items()
        }
    )
    repeats: dict[str, Repeats] = defaultdict(lambda: Repeats(config.gates))
    judgements = []
    for request, reply in progress(pairs, label="gates"):
        subject = Subject(request.class_id, request.prompt, reply.done_reason, reply.thought)
        judgement = judge(reply.text, subject, names, config.gates)
        if judgement.accepted:
            reason = repeats[request.class_id].add(judgement.text)
            judgement = judgement.rejected(reason) if reason else judgement
        judgements.append(judgement)
    return judgements


def _share_out(
    pairs: list[tuple[Request, Reply]],
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
            Caption(pairs[place][0].class_id, text)
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
        own = split_of[pairs[place][0].image_id]
        if taken.setdefault(group, own) == own:
            splits[place] = own
        else:
            judgements[place] = judgements[place].rejected(
                f"crosses_splits: an image of {taken[group]} has this text"
            )
    return splits, judgements


def _row(request: Request, reply: Reply, judgement: Judgement, split: str | None) -> dict[str, Any]:
    return {
        "class_id": request.class_id,
        "image_id": request.image_id,
        "sample": request.sample,
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
