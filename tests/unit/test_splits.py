import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nicheclip.config.data import SplitConfig
from nicheclip.data import draw as draw_module
from nicheclip.data.draw import DRAWN, TEST, TRAIN, VAL, draw
from nicheclip.data.near_duplicates import Groups
from nicheclip.data.splits import normalise_split
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import unit_interval
from nicheclip.terms import SPLITS


def places_of(ids, labels, seed):
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    places = np.array([unit_interval(seed, "split", one) for one in ids], float)
    return places, np.array([numbers[label] for label in labels], np.int32)


def drawn(places, classes, config, groups=None):
    """The numbers of the splits of images with these places and classes."""
    images = np.zeros(len(places), DRAWN)
    images["row"], images["place"], images["class"] = np.arange(len(places)), places, classes
    splits = np.full(len(places), -1, np.int8)
    with tempfile.TemporaryDirectory() as spool:
        draw([images[:7], images[7:]], splits, config, groups, Path(spool))
    return splits


def hash_splits(ids, labels, config, *, seed):
    config = config.model_copy(update={"method": "hash"})
    return [SPLITS[n] for n in drawn(*places_of(ids, labels, seed), config)]


def shares(sizes, seed=0, **config):
    """How many images of classes of these sizes are in each split."""
    labels = [str(label) for label, size in enumerate(sizes) for _ in range(size)]
    splits = drawn(*places_of(map(str, range(len(labels))), labels, seed), SplitConfig(**config))
    counts = Counter(zip(labels, splits.tolist(), strict=True))
    return [tuple(counts[str(label), n] for n in range(3)) for label in range(len(sizes))]


CONFIG = SplitConfig(val=0.1, test=0.2)


def test_proportions_hold_in_every_class():
    ids = [f"{i:016x}" for i in range(20_000)]
    labels = ["abcd"[i % 4] for i in range(20_000)]
    splits = hash_splits(ids, labels, CONFIG, seed=0)
    for label in "abcd":
        mine = [s for s, owner in zip(splits, labels, strict=True) if owner == label]
        # 5,000 draws: standard deviations .0042 and .0057; bounds at five of them
        assert mine.count("val") / 5000 == pytest.approx(0.1, abs=0.021)
        assert mine.count("test") / 5000 == pytest.approx(0.2, abs=0.028)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from("abc")), unique_by=lambda x: x[0]),
    st.lists(
        st.tuples(st.integers(10**6 + 1, 10**7), st.sampled_from("abc")), unique_by=lambda x: x[0]
    ),
    st.integers(0, 3),
)
def test_added_images_move_no_other_unless_one_trained_for_want_of_a_first(old, new, seed):
    def splits(images):
        ids, labels = [str(i) for i, _ in images], [label for _, label in images]
        return dict(zip(ids, hash_splits(ids, labels, CONFIG, seed=seed), strict=True))

    before, after = splits(old), splits(old + new)
    moved = [(before[i], after[i], i) for i in before if before[i] != after[i]]
    labels = {str(i): label for i, label in old}
    # only the one image that had to train alone can go back to where its hash puts it
    assert len({labels[i] for _, _, i in moved}) == len(moved)
    for was, _, i in moved:
        trained = [j for j in before if labels[j] == labels[i] and before[j] == "train"]
        assert was == "train" and trained == [i]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from("abcdef"), min_size=1), st.integers())
def test_every_class_trains(labels, seed):
    config = SplitConfig(val=0.49, test=0.5)
    splits = hash_splits([str(i) for i in range(len(labels))], labels, config, seed=seed)
    trained = {label for label, s in zip(labels, splits, strict=True) if s == "train"}
    assert trained == set(labels)


def test_the_seed_and_nothing_else_changes_the_split():
    ids, labels = [str(i) for i in range(200)], ["a"] * 200
    first = hash_splits(ids, labels, CONFIG, seed=1)
    backwards = hash_splits(ids[::-1], labels, CONFIG, seed=1)
    assert backwards[::-1] == first
    assert hash_splits(ids, labels, CONFIG, seed=2) != first


@pytest.mark.parametrize(
    ("text", "split"), [("valid", "val"), ("Validation", "val"), (" TEST ", "test"), ("dev", "val")]
)
def test_usual_split_names_are_understood(text, split):
    assert normalise_split(text, where="row 3") == split


def test_unknown_splits_are_errors_that_say_where():
    with pytest.raises(InputError, match=r"row 3: the split 'extra'"):
        normalise_split("extra", where="row 3")


def test_shares_are_exact_in_every_class():
    assert shares([80, 10, 20, 100], val=0.1, test=0.2) == [
        (56, 8, 16),
        (7, 1, 2),
        (14, 2, 4),
        (70, 10, 20),
    ]


def test_small_classes_have_an_image_in_each_split_that_is_wanted():
    assert shares([1, 2, 3, 4], val=0.1, test=0.2) == [(1, 0, 0), (1, 0, 1), (1, 1, 1), (2, 1, 1)]
    assert shares([2, 3, 4], val=0.25, test=0.5) == [(1, 0, 1), (1, 1, 1), (1, 1, 2)]
    assert shares([1, 2, 3], val=0, test=0.3) == [(1, 0, 0), (1, 0, 1), (2, 0, 1)]
    assert shares([1, 2, 3], val=0.3, test=0) == [(1, 0, 0), (1, 1, 0), (2, 1, 0)]
    assert shares([3, 2], val=0, test=0) == [(3, 0, 0), (2, 0, 0)]
    assert shares([3, 3], val=0.1, test=0.3) == [(1, 1, 1), (1, 1, 1)]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=8),
    st.floats(0, 0.49),
    st.floats(0, 0.5),
    st.integers(0, 9),
)
def test_every_class_trains_and_none_is_far_from_its_shares(sizes, val, test, seed):
    for size, (train, of_val, of_test) in zip(
        sizes, shares(sizes, seed, val=val, test=test), strict=True
    ):
        assert train >= 1 and train + of_val + of_test == size
        assert abs(of_test - size * test) <= 1 and abs(of_val - size * val) <= 1.5
        if size >= 3:
            assert (of_val > 0) >= (val > 0) and (of_test > 0) >= (test > 0)


def test_shares_go_by_the_place_and_not_by_the_order_of_rows():
    ids, labels = [str(i) for i in range(50)], ["ab"[i % 2] for i in range(50)]
    config = SplitConfig(val=0.2, test=0.2)
    found = dict(zip(ids, drawn(*places_of(ids, labels, 1), config).tolist(), strict=True))
    back = drawn(*places_of(ids[::-1], labels[::-1], 1), config).tolist()
    assert dict(zip(ids[::-1], back, strict=True)) == found
    assert drawn(*places_of(ids, labels, 2), config).tolist() != list(found.values())


@pytest.mark.parametrize("method", ["stratified", "hash"])
def test_buckets_on_disk_change_no_split(monkeypatch, method):
    ids, labels = [str(i) for i in range(500)], ["abc"[i % 7 % 3] for i in range(500)]
    config = SplitConfig(val=0.2, test=0.2, method=method)
    places, classes = places_of(ids, labels, 1)
    grouped = np.arange(0, 500, 5)
    groups = Groups(grouped, grouped // 50, 10)
    for group in range(10):
        mine = grouped[groups.numbers == group]
        places[mine] = places[mine].min()
    whole = drawn(places, classes, config, groups)
    monkeypatch.setattr(draw_module, "IMAGES_OF_A_BUCKET", 16)
    assert drawn(places, classes, config, groups).tolist() == whole.tolist()


def test_a_class_that_a_group_took_from_training_gets_a_group_or_an_image_back():
    """By the places, class 0 trains with row 3 alone, whose group votes for the test."""
    config = SplitConfig(val=0, test=0.7)
    places = np.array([0.1, 0.2, 0.3, 0.15, 0.15, 0.15, 0.9])
    places[3] = 0.9
    classes = np.array([0, 0, 0, 0, 1, 1, 1])
    assert drawn(places, classes, config).tolist() == [TEST] * 3 + [TRAIN] + [TEST] * 2 + [TRAIN]
    group = Groups(np.array([3, 4, 5]), np.array([0, 0, 0]), 1)
    splits = drawn(places, classes, config, group)
    # the group is tested by two votes to one; the first image of class 0 trains in its stead
    assert splits.tolist() == [TRAIN, TEST, TEST, TEST, TEST, TEST, TRAIN]
    both = Groups(np.array([1, 2, 3, 4, 5]), np.array([1, 1, 0, 0, 0]), 2)
    assert drawn(places, classes, config, both).tolist() == [
        *(TEST, TRAIN, TRAIN, TEST, TEST, TEST, TRAIN)
    ]
    assert VAL not in splits
