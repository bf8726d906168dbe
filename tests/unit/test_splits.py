import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nicheclip.config.data import SplitConfig
from nicheclip.data import splits as module
from nicheclip.data.splits import given_split, normalise_split
from nicheclip.runtime.errors import InputError


def hash_splits(ids, labels, config, *, seed):
    ids, labels = pl.Series(ids, dtype=pl.String), pl.Series(labels, dtype=pl.String)
    return module.hash_splits(ids, labels, config, seed=seed).to_list()


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


def test_unknown_and_absent_splits_are_errors_that_say_where():
    with pytest.raises(InputError, match=r"row 3: the split 'extra'"):
        normalise_split("extra", where="row 3")
    with pytest.raises(InputError, match=r"a/1\.jpg: .*'given'"):
        given_split(None, key="a/1.jpg")
