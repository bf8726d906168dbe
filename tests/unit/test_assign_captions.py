"""A caption for each image: evenly, in its own split, deterministic."""

from collections import Counter, defaultdict

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from caption_tables import catalog_table
from nicheclip.captions.assign import assign
from nicheclip.schemas import CAPTIONS


def caption(class_id, text, split, *, image_id=None, sample=0, verdict="accepted"):
    row = {"class_id": class_id, "image_id": image_id, "sample": sample, "text": text}
    return row | {"split": split, "verdict": verdict}


def table(*captions):
    return pa.Table.from_pylist(list(captions), schema=CAPTIONS)


def test_captions_stay_in_their_split_and_serve_evenly():
    catalog = catalog_table({"cow": {"train": 7, "test": 2}, "yak": {"train": 1}})
    texts = assign(
        catalog,
        table(
            caption("cow", "t1", "train"),
            caption("cow", "t2", "train"),
            caption("cow", "t3", "train"),
            caption("cow", "bad", "train", verdict="rejected"),
            caption("cow", "e1", "test"),
            caption("gnu", "g", "train"),
        ),
    )
    train = Counter(text for image_id, text in texts.items() if "train" in image_id)
    assert sorted(train.values()) == [2, 2, 3]
    assert set(train) == {"t1", "t2", "t3"}
    assert texts["cow-test-000"] == texts["cow-test-001"] == "e1"
    assert "yak-train-000" not in texts


def test_a_description_serves_every_split():
    catalog = catalog_table({"cow": {"train": 1, "val": 1, "test": 1}})
    assert set(assign(catalog, table(caption("cow", "d", "all"))).values()) == {"d"}
    assert len(assign(catalog, table(caption("cow", "d", "all")))) == 3


def test_an_image_has_its_own_caption_first():
    catalog = catalog_table({"cow": {"train": 2}})
    texts = assign(
        catalog,
        table(
            caption("cow", "pool", "train"),
            caption("cow", "second", "train", image_id="cow-train-000", sample=2),
            caption("cow", "first", "train", image_id="cow-train-000", sample=1),
        ),
    )
    assert texts == {"cow-train-000": "first", "cow-train-001": "pool"}


@given(st.permutations(list(range(12))), st.permutations(list(range(5))))
def test_the_order_of_the_rows_does_not_matter(image_order, caption_order):
    catalog = catalog_table({"cow": {"train": 8, "val": 4}})
    captions = table(*(caption("cow", f"text {i}", ("train", "val")[i % 2]) for i in range(5)))
    expected = assign(catalog, captions)
    assert assign(catalog.take(image_order), captions.take(caption_order)) == expected
    uses = defaultdict(Counter)
    for image_id, text in expected.items():
        uses[image_id.split("-")[1]][text] += 1
    for counts in uses.values():
        assert max(counts.values()) - min(counts.values()) <= 1
