import io
import json
import pickle
import tarfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from nicheclip.config.training import AugmentConfig, TextConfig
from nicheclip.data.image_set import EncodedImage
from nicheclip.engine.loading import load_batches
from nicheclip.engine.sampling import BatchPlan, Sampling
from nicheclip.models.views import ViewSettings
from nicheclip.runtime.errors import InputError
from nicheclip.training.pair_reader import PairReader, draw_text_type
from small_training import data_of, tiny_clip, write_squares


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_squares(tmp_path_factory.mktemp("squares"), train=12, val=3)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("clip"))


STRONG = AugmentConfig(crop_scale=(0.3, 1.0), flip=True, rotate=True)


def reader_of(clip, folder, texts=None, augment=STRONG, seed=0):
    views, split = ViewSettings.of(clip), data_of(folder).pairs("train")
    return PairReader(
        split.images,
        split.labels,
        split.texts,
        views,
        clip.tokenizer,
        texts or TextConfig(),
        augment,
        seed,
    )


@pytest.fixture
def reader(folder, clip):
    def make(augment=STRONG, texts=None, seed=0):
        return reader_of(clip, folder, texts, augment, seed)

    return make


def plan(epoch, *indices, number=0):
    return BatchPlan(epoch, number, np.array(indices))


def test_a_batch_has_the_colours_tokens_and_labels_of_its_samples(reader, clip):
    read = reader(augment=None)
    batch = read.read(plan(0, 0, 5, 9))
    assert batch["images"].shape == (3, 3, 32, 32) and batch["images"].dtype == torch.uint8
    labels = ["abc".index(read.labels.class_id(i)) for i in (0, 5, 9)]
    assert batch["labels"].tolist() == labels
    brightest = batch["images"].float().mean(dim=(2, 3)).argmax(dim=1)
    assert brightest.tolist() == labels  # classes a, b, c are red, green and blue
    captions = [read.sample_texts.text(i, "caption") for i in (0, 5, 9)]
    assert batch["tokens"].equal(clip.tokenizer(captions))


def test_augmentation_depends_on_seed_epoch_and_image_alone(reader):
    image = reader().read(plan(1, 4))["images"][0]
    assert image.equal(reader().read(plan(1, 7, 3, 4, number=5))["images"][2])
    assert not image.equal(reader().read(plan(2, 4))["images"][0])
    assert not image.equal(reader(seed=1).read(plan(1, 4))["images"][0])
    still = reader(augment=None)
    assert still.read(plan(1, 4))["images"].equal(still.read(plan(2, 4))["images"])


def test_worker_processes_do_not_change_the_batches(reader):
    sampling = Sampling((6, 6), 5, seed=0)
    read = reader(texts=TextConfig(types={"caption": 1, "com": 1, "sci": 1}))
    here = list(load_batches(read, sampling.plans(0, 6), workers=0))
    there = list(load_batches(read, sampling.plans(0, 6), workers=2))
    assert len(here) == 6
    for (plan_here, one), (plan_there, other) in zip(here, there, strict=True):
        assert plan_here.indices.tolist() == plan_there.indices.tolist()
        assert all(one[name].equal(other[name]) for name in ("images", "tokens", "labels"))


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
        tokens = per_batch.read(where)["tokens"]
        kinds |= {
            t for t, r in (("com", com), ("sci", sci)) if tokens.equal(r.read(where)["tokens"])
        }
        assert tokens.equal(com.read(where)["tokens"]) or tokens.equal(sci.read(where)["tokens"])
    assert kinds == {"com", "sci"}
    where = plan(0, *range(12))
    same = (per_sample.read(where)["tokens"] == com.read(where)["tokens"]).all(dim=1)
    assert 0 < same.sum() < 12


@pytest.mark.parametrize("workers", [0, 1])
def test_a_missing_caption_names_shard_sample_and_remedy(tmp_path, clip, workers):
    write_squares(tmp_path, train=4, val=0, captions=False)
    read = reader_of(clip, tmp_path)
    with pytest.raises(InputError, match=r"train: image 0{15}\d .*'caption'; it has: com, sci\. "
                       "Name an entry of `captions`") as error:  # fmt: skip
        list(load_batches(read, [plan(0, 0)], workers=workers))
    assert "Traceback" not in str(error.value)


def test_an_undecodable_image_is_named(tmp_path, clip):
    write_squares(tmp_path, train=4, val=0, tars=1)
    read = reader_of(clip, tmp_path)
    images = read.images
    with tarfile.open(images.tars[0]) as tar:
        member = next(m for m in tar if m.name == f"{images.image_ids[2]}.jpg")
    with images.tars[0].open("r+b") as stream:
        stream.seek(member.offset_data)
        stream.write(b"\0" * member.size)
    with pytest.raises(InputError, match=f"{images.image_ids[2]}: expected a whole image"):
        list(load_batches(read, [plan(0, 2)], workers=0))


def test_flips_and_turns_keep_the_pixels(tmp_path, clip):
    """With the whole square as the crop, only eight arrangements of the pixels can occur."""
    corners = np.zeros((32, 32, 3), np.uint8)
    corners[:16, :16, 0], corners[:16, 16:, 1] = 255, 255
    encoded = io.BytesIO()
    Image.fromarray(corners).save(encoded, "PNG")

    class One:
        """The same pixels under every number."""

        folder = tmp_path

        def read_many(self, numbers):
            return [EncodedImage(str(n), encoded.getvalue()) for n in numbers]

    augment = AugmentConfig(crop_scale=(1, 1), flip=True, rotate=True)
    write_squares(tmp_path, train=300, val=0, tars=1)
    turned = reader_of(clip, tmp_path, TextConfig(types={"com": 1}), augment)
    turned = replace(turned, images=One())
    images = turned.read(plan(0, *range(300)))["images"]
    whole = [image for image in images if (image == 255).sum() == 512]
    seen = {json.dumps([image[0].argmax().item(), image[1].argmax().item()]) for image in whole}
    assert len(seen) == 8


def test_a_reader_carries_no_model(reader):
    """What each worker process gets: the tokenizer is most of it."""
    assert len(pickle.dumps(reader())) < 4_000_000
    assert b"torch" not in pickle.dumps(reader().views)
