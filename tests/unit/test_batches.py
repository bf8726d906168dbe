import io
import json
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from nicheclip.config.training import AugmentConfig, TextConfig
from nicheclip.data.shard_reader import ShardSet
from nicheclip.runtime.errors import InputError
from nicheclip.training.batches import (
    BatchReader,
    central_square,
    draw_text_type,
    iterate,
    random_crop,
)
from nicheclip.training.sampling import BatchPlan, Sampling
from small_training import tiny_clip, write_shards


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"), train=12, val=3)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("clip"))


STRONG = AugmentConfig(crop_scale=(0.3, 1.0), flip=True, rotate=True)


@pytest.fixture
def reader(folder, clip):
    def make(augment=STRONG, texts=None, seed=0):
        shards = ShardSet(folder / "train")
        return BatchReader(shards, clip, texts or TextConfig(), augment, ("a", "b", "c"), seed)

    return make


def plan(epoch, *indices, number=0):
    return BatchPlan(epoch, number, np.array(indices))


def test_a_batch_has_the_colours_tokens_and_labels_of_its_samples(reader, clip):
    read = reader(augment=None)
    batch = read[plan(0, 0, 5, 9)]
    assert batch.images.shape == (3, 3, 32, 32) and batch.images.dtype == torch.uint8
    labels = ["abc".index(read.shards.class_ids[i]) for i in (0, 5, 9)]
    assert batch.labels.tolist() == labels
    brightest = batch.images.float().mean(dim=(2, 3)).argmax(dim=1)
    assert brightest.tolist() == labels  # classes a, b, c are red, green and blue
    captions = [read.shards.read(i).texts["caption"] for i in (0, 5, 9)]
    assert batch.tokens.equal(clip.tokenizer(captions))


def test_augmentation_depends_on_seed_epoch_and_image_alone(reader):
    image = reader()[plan(1, 4)].images[0]
    assert image.equal(reader()[plan(1, 7, 3, 4, number=5)].images[2])
    assert not image.equal(reader()[plan(2, 4)].images[0])
    assert not image.equal(reader(seed=1)[plan(1, 4)].images[0])
    still = reader(augment=None)
    assert still[plan(1, 4)].images.equal(still[plan(2, 4)].images)


def test_worker_processes_do_not_change_the_batches(reader):
    sampling = Sampling((6, 6), 5, seed=0)
    read = reader(texts=TextConfig(types={"caption": 1, "com": 1, "sci": 1}))
    here = list(iterate(read, sampling.plans(0, 6), workers=0))
    there = list(iterate(read, sampling.plans(0, 6), workers=2))
    assert len(here) == 6
    for one, other in zip(here, there, strict=True):
        assert all(a.equal(b) for a, b in zip(one, other, strict=True))


def test_types_are_drawn_by_weight_per_sample_or_once_per_batch(reader):
    texts = TextConfig(types={"com": 3, "sci": 1})
    drawn = [draw_text_type(texts, 0, "text type", 0, i) for i in range(2000)]
    assert 0.70 < drawn.count("com") / 2000 < 0.80  # 0.75; the standard error is 0.01
    com, sci = (reader(texts=TextConfig(types={t: 1})) for t in ("com", "sci"))
    per_batch = reader(texts=TextConfig(types={"com": 1, "sci": 1}, draw="batch"))
    per_sample = reader(texts=TextConfig(types={"com": 1, "sci": 1}))
    kinds = set()
    for number in range(12):
        where = plan(0, *range(12), number=number)
        tokens = per_batch[where].tokens
        kinds |= {t for t, r in (("com", com), ("sci", sci)) if tokens.equal(r[where].tokens)}
        assert tokens.equal(com[where].tokens) or tokens.equal(sci[where].tokens)
    assert kinds == {"com", "sci"}
    where = plan(0, *range(12))
    same = (per_sample[where].tokens == com[where].tokens).all(dim=1)
    assert 0 < same.sum() < 12


@pytest.mark.parametrize("workers", [0, 1])
def test_a_missing_caption_names_shard_sample_and_remedy(tmp_path, clip, workers):
    write_shards(tmp_path, train=4, val=0, captions=False)
    read = BatchReader(ShardSet(tmp_path / "train"), clip, TextConfig(), STRONG, tuple("abc"), 0)
    with pytest.raises(InputError, match=r"train: sample 0{15}\d .*'caption'; it has: com, sci\. "
                       "Name an entry of `captions`") as error:  # fmt: skip
        list(iterate(read, [plan(0, 0)], workers=workers))
    assert "Traceback" not in str(error.value)


def test_an_undecodable_image_is_named(tmp_path, clip):
    write_shards(tmp_path, train=4, val=0, parts=1)
    shards = ShardSet(tmp_path / "train")
    with tarfile.open(shards.tars[0]) as tar:
        member = next(m for m in tar if m.name == f"{shards.image_ids[2]}.jpg")
    with shards.tars[0].open("r+b") as stream:
        stream.seek(member.offset_data)
        stream.write(b"\0" * member.size)
    read = BatchReader(shards, clip, TextConfig(), STRONG, tuple("abc"), 0)
    with pytest.raises(InputError, match=f"{shards.image_ids[2]} cannot be decoded"):
        list(iterate(read, [plan(0, 2)], workers=0))


def test_crops_have_the_asked_area_and_stay_inside():
    random = np.random.default_rng(0)
    areas = []
    for _ in range(500):
        left, top, right, bottom = random_crop((200, 150), (0.3, 0.6), random)
        assert 0 <= left < right <= 200 and 0 <= top < bottom <= 150
        areas.append((right - left) * (bottom - top) / 30000)
        assert 0.73 < (right - left) / (bottom - top) < 1.36
    assert min(areas) > 0.29 and max(areas) < 0.61
    assert np.mean(areas) == pytest.approx(0.45, abs=0.02)


def test_an_image_too_long_for_any_crop_gives_its_central_part():
    assert random_crop((1000, 60), (1.0, 1.0), np.random.default_rng(0)) == (460, 0, 540, 60)
    assert central_square((100, 60)) == (20, 0, 80, 60)


def test_flips_and_turns_keep_the_pixels(tmp_path, clip):
    """With the whole square as the crop, only eight arrangements of the pixels can occur."""
    corners = np.zeros((32, 32, 3), np.uint8)
    corners[:16, :16, 0], corners[:16, 16:, 1] = 255, 255
    encoded = io.BytesIO()
    Image.fromarray(corners).save(encoded, "PNG")
    index = ShardSet(write_shards(tmp_path, train=2, val=0, parts=1) / "train")

    class One:
        folder = index.folder

        def read(self, number):
            return index.read(0).__class__(f"{number}", "a", "", encoded.getvalue(), {"com": "x"})

    augment = AugmentConfig(crop_scale=(1, 1), flip=True, rotate=True)
    turned = BatchReader(One(), clip, TextConfig(types={"com": 1}), augment, ("a",), 0)
    images = turned[plan(0, *range(300))].images
    whole = [image for image in images if (image == 255).sum() == 512]
    seen = {json.dumps([image[0].argmax().item(), image[1].argmax().item()]) for image in whole}
    assert len(seen) == 8
