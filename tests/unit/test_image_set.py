import io
import os
import pickle
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset as wds

from image_sets import write_class_texts, write_images, write_row_captions
from nicheclip.data import image_set
from nicheclip.data.image_set import ImageSet
from nicheclip.data.image_tars import ImageTars
from nicheclip.data.labels import Labels
from nicheclip.data.sample_texts import SampleTexts
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.seeding import stable_hash

IDS = [f"{i:016x}" for i in range(10)]


def jpg(image_id):
    return image_id.encode() * 50


def rows(count=7, *, split="train", tar=lambda n: 2 * (n % 2)):
    """Images of four classes in turn; without a tar of its own, two in turn with one between."""
    return [
        {"image_id": i, "class_id": f"c{n % 4}", "split": split, "jpg": jpg(i), "tar": tar(n)}
        for n, i in enumerate(IDS[:count])
    ]


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def three_tars(tmp_path):
    """Seven images of four classes in three tars, the second of them empty."""
    return ImageSet(write_images(tmp_path, rows(), tars=3) / "train")


def test_images_are_numbered_through_the_tars(three_tars):
    assert three_tars.tar_sizes == [4, 0, 3] and len(three_tars) == 7
    images = [three_tars.read(i) for i in range(7)]
    assert [one.image_id for one in images] == three_tars.image_ids
    assert {one.image_id for one in images[:4]} == {IDS[0], IDS[2], IDS[4], IDS[6]}
    assert all(one.encoded == jpg(one.image_id) for one in images)
    assert [three_tars.image_id(i) for i in range(7)] == three_tars.image_ids
    assert three_tars.encoded_sizes.tolist() == [800] * 7
    for number in (7, -1):
        with pytest.raises(IndexError, match=f"row {number} of 7"):
            three_tars.read(number)


def test_any_reader_of_webdataset_reads_the_tars_in_the_order_of_a_hash(three_tars):
    samples = list(wds.WebDataset([str(tar) for tar in three_tars.tars], shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == three_tars.image_ids
    assert all(sample["jpg"] == jpg(sample["__key__"]) for sample in samples)
    first = [sample["__key__"] for sample in samples[:4]]
    assert first == sorted(first, key=lambda one: stable_hash("shard order", one))


def test_a_set_needs_no_labels(three_tars):
    (three_tars.folder / "labels.arrow").unlink()
    assert ImageSet(three_tars.folder).read(2).encoded == three_tars.read(2).encoded


def test_other_splits_in_the_same_tars_are_not_seen(tmp_path):
    both = rows(4, tar=lambda n: 0)
    both[1] |= {"split": "test"}
    folder = write_images(tmp_path, both)
    train, test = ImageSet(folder / "train"), ImageSet(folder / "test")
    assert train.tars[0].resolve() == test.tars[0].resolve()
    assert test.image_ids == [IDS[1]] and set(train.image_ids) == {IDS[0], IDS[2], IDS[3]}
    assert [one.encoded for one in train.read_many(range(3))] == [jpg(i) for i in train.image_ids]
    assert len(ImageSet(folder / "val")) == 0


def test_neighbours_are_read_together_and_come_in_the_order_asked_for(three_tars, monkeypatch):
    reads = []
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda *a: reads.append(a[1]) or pread(*a))
    asked = [6, 1, 3, 0, 2, 4]
    images = list(three_tars.read_many(asked))
    assert [one.image_id for one in images] == [three_tars.image_ids[i] for i in asked]
    assert all(one.encoded == jpg(one.image_id) for one in images)
    assert len(reads) == 2  # one for each tar: 4 and 6 are near enough, with 5 between them
    reads.clear()
    monkeypatch.setattr(image_set, "LARGEST_GAP", 1000)
    list(three_tars.read_many(asked))
    assert len(reads) == 3  # a member takes 1.5 KB
    reads.clear()
    monkeypatch.setattr(image_set, "LARGEST_READ", 1)
    list(three_tars.read_many(asked))
    assert len(reads) == 6


def test_a_pickled_set_is_its_folder(three_tars):
    assert len(pickle.dumps(three_tars)) < 300
    assert pickle.loads(pickle.dumps(three_tars)).read(5) == three_tars.read(5)


def test_few_tars_are_open_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(image_set, "OPEN_TARS", 2)
    images = ImageSet(write_images(tmp_path, rows(10, tar=lambda n: n), tars=10) / "train")
    before = open_files()
    for _ in range(3):
        for row in (0, 5, 9, 2):
            assert images.read(row).encoded == jpg(images.image_id(row))
    assert open_files() <= before + 2
    del images
    assert open_files() <= before


def cut(path):
    path.write_bytes(path.read_bytes()[:2000])


def swap(path):
    """The other tar under this one's name."""
    path.write_bytes((path.parent / "00002.tar").read_bytes())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, r"00000\.tar: ends before byte \d+, which .*images\.arrow names.*acquire stage"),
        (swap, r"00000\.tar: has '0{15}\d\.jpg' at byte 0, where .*images\.arrow says '0"),
        (lambda path: path.unlink(), r"00000\.tar: cannot be read \(No such file"),
        (lambda path: path.write_bytes(bytes(20_480)), r"00000\.tar: has '' at byte 0"),
    ],
)
def test_a_damaged_tar_is_an_error(three_tars, damage, message):
    damage(three_tars.tars[0])
    with pytest.raises(InputError, match=message):
        list(three_tars.read_many(range(7)))


def test_a_damaged_index_is_an_error(three_tars):
    file = three_tars.index_file
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(InputError, match=r"images\.arrow: not a readable table .*Delete it"):
        ImageSet(three_tars.folder)
    pq.write_table(pa.table({"a": [1]}), file)
    with pytest.raises(InputError, match="not a readable table"):
        ImageSet(three_tars.folder)
    schema = pa.schema([("jpg", pa.binary())])
    with pa.OSFile(str(file), "wb") as out, pa.ipc.new_file(out, schema):
        pass
    with pytest.raises(InputError, match="it has other columns"):
        ImageSet(three_tars.folder)
    file.unlink()
    with pytest.raises(InputError, match=r"images\.arrow: not there"):
        ImageSet(three_tars.folder)


def test_labels_have_the_numbers_of_the_images(three_tars):
    labels = pickle.loads(pickle.dumps(Labels(three_tars.folder)))
    assert labels.classes == ["c0", "c1", "c2", "c3"] and len(labels) == 7
    expected = [f"c{int(image_id, 16) % 4}" for image_id in three_tars.image_ids]
    assert labels.class_ids == [labels.class_id(i) for i in range(7)] == expected
    numbers = [int(one[1]) for one in expected]
    assert labels.numbers().tolist() == [labels.number(i) for i in range(7)] == numbers


def test_classes_are_those_of_all_splits(tmp_path):
    both = [*rows(2), *[row | {"split": "test"} for row in rows(4)[2:]]]
    folder = write_images(tmp_path, both, tars=3)
    assert Labels(folder / "test").classes == ["c0", "c1", "c2", "c3"]
    assert set(Labels(folder / "test").numbers()) == {2, 3}


def test_texts_are_those_of_the_class_and_a_caption_of_the_image(three_tars):
    folder = three_tars.folder.parent
    texts = {f"c{n}": {"com": f"a photo of {n}."} for n in range(4)}
    texts["c1"]["sci"] = "a photo of Unus."
    class_texts = write_class_texts(folder, texts)
    captions = write_row_captions(folder, {IDS[1]: "One.", IDS[6]: "Six."})
    found = SampleTexts(Labels(three_tars.folder), class_texts, captions / "train.arrow")
    found = pickle.loads(pickle.dumps(found))
    one, six, three = (three_tars.image_ids.index(IDS[n]) for n in (1, 6, 3))
    assert found.texts(one) == {
        "com": "a photo of 1.",
        "sci": "a photo of Unus.",
        "caption": "One.",
    }
    assert found.text(six, "caption") == "Six." and found.text(six, "com") == "a photo of 2."
    assert found.text(three, "caption") is None and found.text(three, "sci") is None
    assert found.text(three, "unknown") is None
    assert SampleTexts(Labels(three_tars.folder), class_texts, None).text(one, "caption") is None


def test_texts_of_other_images_are_an_error(three_tars):
    folder = three_tars.folder.parent
    class_texts = write_class_texts(folder, {"c0": {"com": "a"}})
    with pytest.raises(InputError, match=r"class_texts\.arrow: has 1 rows, but .*asks for 4"):
        SampleTexts(Labels(three_tars.folder), class_texts, None)
    class_texts = write_class_texts(folder, {f"c{n}": {"com": "a"} for n in range(4)})
    captions = write_row_captions(folder, {})
    with pytest.raises(InputError, match=r"val\.arrow: has 0 rows, but .*asks for 7"):
        SampleTexts(Labels(three_tars.folder), class_texts, captions / "val.arrow")


def test_a_tar_says_nothing_of_the_machine(tmp_path):
    for name in ("one", "two"):
        with ImageTars([tmp_path / f"{name}.tar"], tmp_path) as images:
            for image_id in IDS:
                images.add(image_id, jpg(image_id))
            images.finish()
    one, two = ((tmp_path / f"{name}.tar").read_bytes() for name in ("one", "two"))
    assert one == two
    with tarfile.open(fileobj=io.BytesIO(one)) as tar:
        assert {(m.mtime, m.uname, m.uid, m.mode) for m in tar} == {(0, "nicheclip", 0, 0o444)}
    assert {path.name for path in tmp_path.iterdir()} == {"one.tar", "two.tar"}  # no spool is left
