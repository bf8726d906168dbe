"""Small class tables and catalogs for the tests of captions."""

import pyarrow as pa

from nicheclip.schemas import CATALOG, CLASSES
from nicheclip.terms import RANKS


def class_table(names):
    """``names``: class_id -> display name."""
    empty = dict.fromkeys([*RANKS, "common"], "")
    rows = [{"class_id": c, "name": n, "images": 1} | empty for c, n in names.items()]
    return pa.Table.from_pylist(rows, schema=CLASSES)


def catalog_table(images):
    """``images``: class_id -> split -> number of images."""
    rows = [
        {"image_id": f"{class_id}-{split}-{i:03d}", "class_id": class_id, "split": split}
        for class_id, splits in images.items()
        for split, number in splits.items()
        for i in range(number)
    ]
    return pa.Table.from_pylist(rows, schema=CATALOG)
