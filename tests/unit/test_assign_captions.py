"""A caption for each image: evenly, in its own split, deterministic."""

from collections import Counter, defaultdict

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from caption_tables import catalog_table
from nicheclip.captions import assign as module
from nicheclip.runtime.seeding import stable_hash
from nicheclip.schemas import CAPTIONS


def assign(catalog, captions):
    """The caption by image."""
    rows = module.assign(catalog, captions).to_pylist()
    assert [row["image_id"] for row in rows] == sorted(row["image_id"] for row in rows)
    return {row["image_id"]: row["caption"] for row in rows}


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


def test_turns_follow_a_hash_of_the_text_and_the_ids_of_the_images():
    """Texts of the class and of every split are one pool; an image's own caption takes a turn."""
    catalog = catalog_table({"cow": {"train": 4}})
    pool = ["t0", "t1", "e0"]
    captions = table(
        caption("cow", "t0", "train"),
        caption("cow", "t1", "train"),
        caption("cow", "e0", "all"),
        caption("cow", "own", "train", image_id="cow-train-001"),
    )
    order = sorted(pool, key=lambda text: stable_hash("assign", text))
    assert assign(catalog, captions) == {
        "cow-train-000": order[0],
        "cow-train-001": "own",
        "cow-train-002": order[2],
        "cow-train-003": order[0],
    }


def test_without_captions_nothing_is_assigned():
    assert assign(catalog_table({"cow": {"train": 2}}), table()) == {}


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
