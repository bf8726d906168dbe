"""A caption for each image."""

from collections import defaultdict

import pyarrow as pa

from nicheclip.runtime.seeding import stable_hash
from nicheclip.schemas import EVERY_SPLIT


def assign(catalog: pa.Table, captions: pa.Table) -> dict[str, str]:
    """The caption of each image; images without one are absent.

    A caption of the image itself comes first (the lowest sample). Otherwise the images of a class
    and split, in the order of their ids, take the captions of that class and split in turn, in the
    order of a hash of the text, so that each serves equally often up to one.

    Args:
        catalog: schema ``CATALOG``.
        captions: schema ``CAPTIONS``; rejected rows are passed over.
    """
    own: dict[str, tuple[int, str]] = {}
    pools: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in captions.select(
        ["class_id", "image_id", "sample", "text", "verdict", "split"]
    ).to_pylist():
        if row["verdict"] != "accepted":
            continue
        if row["image_id"] is None:
            pools[row["class_id"], row["split"]].append(row["text"])
        else:
            candidate = (row["sample"], row["text"])
            own[row["image_id"]] = min(candidate, own.get(row["image_id"], candidate))
    places: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in catalog.select(["image_id", "class_id", "split"]).to_pylist():
        places[row["class_id"], row["split"]].append(row["image_id"])
    texts = {}
    for (class_id, split), image_ids in places.items():
        pool = [*pools.get((class_id, split), ()), *pools.get((class_id, EVERY_SPLIT), ())]
        pool.sort(key=lambda text: (stable_hash("assign", text), text))
        for number, image_id in enumerate(sorted(image_ids)):
            if image_id in own:
                texts[image_id] = own[image_id][1]
            elif pool:
                texts[image_id] = pool[number % len(pool)]
    return texts
