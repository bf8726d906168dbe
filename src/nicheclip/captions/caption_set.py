"""A caption set: replies judged by the gates, and the captions given to splits.

Replies are read, judged and written some thousands at a time. What stays in memory of a caption is
a few numbers, and of those of one class, while they are compared, what ``Repeats`` keeps.
"""

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from nicheclip.captions.candidates import Candidate, Described, Pair, by_target, described
from nicheclip.captions.gates import Judgement, Subject, judge
from nicheclip.captions.judged import Accepted, caption_row, splits_of_images, write_with_splits
from nicheclip.captions.local import local_replies
from nicheclip.captions.mentions import ClassNames
from nicheclip.captions.reasons import identifier
from nicheclip.captions.repeats import Repeats, TextKeys, text_keys
from nicheclip.captions.replies import read_replies
from nicheclip.captions.shortfall import Shortfall, warn_of_thoughts
from nicheclip.captions.splits import Images, Numbers, first_takes, partition, text_groups
from nicheclip.captions.targets import Target, class_names, targets
from nicheclip.config.captions import CaptionConfig
from nicheclip.data.row_stream import RowStream
from nicheclip.runtime.manifest import Dropped
from nicheclip.runtime.progress import progress
from nicheclip.schemas import CAPTIONS
from nicheclip.terms import SPLITS

COUNTED = ("asked", "generated", "accepted")
"""What is counted even where there is none."""


@dataclass(frozen=True)
class CaptionSet:
    """What a finished caption set holds."""

    counts: dict[str, int]
    """Captions asked for, made, accepted, and rejected by reason."""
    dropped: list[Dropped]
    """Input that was left out, and classes or images that got fewer captions than asked for."""


def make_caption_set(
    config: CaptionConfig,
    *,
    classes: pa.Table,
    catalog: pa.Table,
    replies: Sequence[Path],
    prompts: Path,
    seed: int,
    target: Path,
    forbidden: Sequence[pa.Table] = (),
) -> CaptionSet:
    """Judge the replies of ``config`` and write ``target``; no server is asked.

    Rows are in the order of the replies: by class in the order of their table, or by image in the
    order of the image files. A rejected text stays with its reasons.

    Args:
        config: backend, gates.
        classes: schema ``CLASSES``.
        catalog: schema ``CATALOG``.
        replies: what a server said, part by part (schema ``REPLIES``); empty where the backend
            needs no server and gives its texts here.
        prompts: the prompt registry's folder.
        seed: of sampling and splits.
        target: Parquet file, schema ``CAPTIONS``.
        forbidden: classes that no caption may name, of each benchmark (schema ``CLASSES``).

    Raises:
        InputError: wrong input, a class without any accepted caption, or with too few for its
            splits.
    """
    names = class_names(classes)
    replied: Iterable[tuple[Target, Iterable[Pair]]]
    dropped: list[Dropped] = []
    if config.backend.remote:
        replied = by_target(read_replies(replies))
    else:
        chosen = list(targets(config, names, catalog))
        replied, dropped = local_replies(config, chosen, names=names, prompts=prompts, seed=seed)
    images = _images_by_class(catalog)
    gates = _Gates(config, names, forbidden, images, seed)
    numbers = {class_id: number for number, class_id in enumerate(names)}
    accepted, shortfall = Accepted(), Shortfall()
    counts = Counter(asked=0, generated=0, accepted=0)
    total = len(names) if config.per == "class" else len(catalog)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.stem}.") as folder:
        judged = Path(folder) / "judged.parquet"
        with RowStream(judged, CAPTIONS) as rows:
            for one in progress(described(replied, config.samples), label="gates", total=total):
                counts["asked"] += config.samples
                dropped += _short(one, config.samples)
                for candidate in one.candidates:
                    judgement, keys = gates.judge(candidate)
                    rows.add(caption_row(candidate, judgement))
                    shortfall.add(one.target.class_id, judgement.reasons)
                    counts["generated"] += 1
                    counts.update({f"rejected_{identifier(r)}" for r in judgement.reasons})
                    if keys:
                        accepted.add(numbers[one.target.class_id], keys)
        warn_of_thoughts(counts)
        shortfall.check()
        groups = text_groups(accepted.whole, accepted.read)
        if config.per == "image":
            splits = splits_of_images(judged, catalog)
            taken = first_takes(groups, splits)
        else:
            splits = taken = _shared_out(accepted, groups, config, list(names), images)
        write_with_splits(judged, splits, taken, target)
    crossing = int((splits != taken).sum())
    counts.update(accepted=len(accepted) - crossing, rejected_crosses_splits=crossing)
    return CaptionSet({name: n for name, n in counts.items() if n or name in COUNTED}, dropped)


def _shared_out(
    accepted: Accepted,
    groups: Numbers,
    config: CaptionConfig,
    class_ids: Sequence[str],
    images: Mapping[str, Images],
) -> Numbers:
    """The split of each caption of a class; equal texts, a group, have one."""
    return partition(
        accepted.classes,
        groups,
        accepted.whole,
        class_ids=class_ids,
        images=images,
        descriptions=config.backend.kind == "replay",
    )


class _Gates:
    """All gates, those that compare texts with earlier ones of the class included."""

    def __init__(
        self,
        config: CaptionConfig,
        names: Mapping[str, Mapping[str, str]],
        forbidden: Iterable[pa.Table],
        images: Mapping[str, Images],
        seed: int,
    ) -> None:
        self._config = config
        self._names = _class_names([names])
        self._benchmark = _class_names(class_names(table) for table in forbidden)
        self._images = images
        self._seed = seed
        self._repeats: dict[str, Repeats] = {}

    def judge(self, candidate: Candidate) -> tuple[Judgement, TextKeys | None]:
        """The verdict, and of an accepted text its keys."""
        request, reply = candidate.request, candidate.reply
        if candidate.trouble:
            return Judgement("", (candidate.trouble,), ()), None
        subject = Subject(request.class_id, request.prompt, reply.done_reason, reply.thought)
        gates = self._config.gates
        judgement = judge(candidate.text, subject, self._names, gates, self._benchmark)
        if not judgement.accepted:
            return judgement, None
        keys = text_keys(judgement.text, self._seed)
        if reason := self._repeats_of(request.class_id).add(judgement.text, keys):
            return judgement.rejected(reason), None
        return judgement, keys

    def _repeats_of(self, class_id: str) -> Repeats:
        """The earlier texts of a class; texts that describe classes come class by class."""
        if class_id not in self._repeats:
            expected = self._config.samples
            if self._config.per == "class":
                self._repeats.clear()
            else:
                expected *= sum(self._images[class_id])
            self._repeats[class_id] = Repeats(self._config.gates, expected)
        return self._repeats[class_id]


def _class_names(data_sets: Iterable[Mapping[str, Mapping[str, str]]]) -> ClassNames:
    """What the classes of some data sets may be called."""
    return ClassNames(
        {
            class_id: [class_id.replace("_", " "), *known.values()]
            for called in data_sets
            for class_id, known in called.items()
        }
    )


def _images_by_class(catalog: pa.Table) -> dict[str, list[int]]:
    """The number of images in each of ``SPLITS``, by class (``catalog``: schema CATALOG)."""
    images: dict[str, list[int]] = {}
    counted = pl.DataFrame(catalog.select(["class_id", "split"])).group_by("class_id", "split")
    for class_id, split, number in counted.len().iter_rows():
        if split in SPLITS:
            images.setdefault(class_id, [0] * len(SPLITS))[SPLITS.index(split)] = number
    return images


def _short(one: Described, samples: int) -> list[Dropped]:
    """The class or image, where it has fewer texts than were asked for."""
    if len(one.candidates) >= samples:
        return []
    reason = "fewer samples than asked for" if one.candidates else "no sample"
    return [Dropped(key=one.target.id, reason=reason)]
