from itertools import chain, islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nicheclip.engine.sampling import WINDOW_SHARDS, Sampling, slice_sizes
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import generator

samplings = st.builds(
    Sampling,
    shard_sizes=st.lists(st.integers(0, 9), min_size=1, max_size=20)
    .filter(lambda sizes: sum(sizes) > 1)
    .map(tuple),
    batch_size=st.integers(2, 12),
    seed=st.integers(0, 3),
)


def batches(sampling, first, last, world=1):
    """The whole batches of some steps, put together from all processes."""
    parts = zip(*(sampling.plans(first, last, rank=r, world=world) for r in range(world)),
                strict=True)  # fmt: skip
    return [np.concatenate([plan.indices for plan in plans]).tolist() for plans in parts]


def order(sampling, epoch):
    """All samples of an epoch."""
    return np.concatenate(list(sampling.order(epoch))).tolist()


@given(samplings)
def test_every_sample_once_per_epoch_in_batches_of_the_right_size(sampling):
    epoch = batches(sampling, 0, sampling.batches)
    assert sorted(chain.from_iterable(epoch)) == list(range(sampling.samples))
    lengths = [len(batch) for batch in epoch]
    assert lengths == [sampling.batch_length(n) for n in range(sampling.batches)]
    assert all(length == sampling.batch_size for length in lengths[:-1])
    assert 2 <= lengths[-1] <= sampling.batch_size + 1  # a single one joins the batch before


@given(samplings, st.integers(1, 3))
def test_the_number_of_processes_changes_nothing(sampling, world):
    steps = 2 * sampling.batches
    assert batches(sampling, 0, steps, world) == batches(sampling, 0, steps)


@given(samplings, st.data())
def test_a_resumed_run_goes_on_where_it_stopped(sampling, data):
    steps = 3 * sampling.batches
    step = data.draw(st.integers(0, steps))
    whole = batches(sampling, 0, steps)
    assert batches(sampling, 0, step) + batches(sampling, step, steps) == whole


def test_epochs_and_seeds_differ():
    sampling = Sampling((50, 50), 10, seed=0)
    assert order(sampling, 0) != order(sampling, 1)
    assert order(sampling, 0) != order(Sampling((50, 50), 10, seed=1), 0)
    assert order(sampling, 0) == order(Sampling((50, 50), 99, seed=0), 0)


@given(samplings)
def test_the_order_is_shuffled_shards_in_windows_of_eight(sampling):
    """The same numbers as a plain implementation that holds the whole epoch."""
    random = generator(sampling.seed, "order of samples", 1)
    ends = np.cumsum([0, *sampling.shard_sizes])
    shards = random.permutation(len(sampling.shard_sizes))
    whole = []
    for first in range(0, len(shards), 8):
        members = [range(ends[s], ends[s + 1]) for s in shards[first : first + 8]]
        whole += random.permutation(list(chain.from_iterable(members))).tolist()
    assert order(sampling, 1) == whole
    steps = (sampling.batches, 2 * sampling.batches)
    assert list(chain.from_iterable(batches(sampling, *steps))) == whole


def test_a_window_is_all_that_is_made_of_an_epoch():
    """A set of 10^8 samples, of which the first batches are asked for."""
    sampling = Sampling((1000,) * 10**5, 10, seed=0)
    first = list(islice(sampling.plans(0, 10**6), 3))
    assert [len(plan.indices) for plan in first] == [10, 10, 10]
    assert max(plan.indices.max() for plan in first) < 10**8


def test_a_stretch_of_an_epoch_touches_few_shards_and_mixes_them():
    shards = 4 * WINDOW_SHARDS
    places = np.array(order(Sampling((100,) * shards, 10, seed=0), 0))
    window = places[: 100 * WINDOW_SHARDS] // 100
    assert len(set(window)) == WINDOW_SHARDS
    assert len(set(window[:100])) == WINDOW_SHARDS


def test_steps_count_the_left_over_batch():
    assert Sampling((4800,), 512, 0).batches == 10  # FungalZSL: 9 full ones and one of 192
    assert Sampling((17,), 8, 0).batches == 2  # 8 and 9
    assert Sampling((3,), 8, 0).batches == 1


def test_slices_differ_by_one_at_most():
    assert slice_sizes(10, 4) == [3, 3, 2, 2]


def test_too_few_samples_are_an_error():
    with pytest.raises(InputError, match="1 samples"):
        Sampling((1, 0), 8, 0)
    with pytest.raises(InputError, match="has 2 samples for 4 processes"):
        Sampling((10,), 8, 0).check_processes(4)
