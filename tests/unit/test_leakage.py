"""What trains is kept apart from what is judged: by bytes, versions and species."""

import io
from functools import partial

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageOps

from acquired_files import acquire_parts
from nicheclip.config.data import DatasetConfig
from nicheclip.config.leakage import LeakageConfig, circle
from nicheclip.config.workflow import parse_config
from nicheclip.data.acquired_rows import AcquiredPart
from nicheclip.data.curate import curate
from nicheclip.data.leakage import Apart, JudgedData
from nicheclip.data.near_pairs import near_between
from nicheclip.data.perceptual_hash import mirrored, perceptual_hash
from nicheclip.runtime.errors import InputError
from nicheclip.schemas import CATALOG, TAXON_NAMES, read_table
from nicheclip.taxonomy.same_species import species_names
from nicheclip.terms import RANKS


def photograph(seed):
    """Low frequencies, as photographs have; seeds give images of their own."""
    waves = np.random.default_rng(seed).normal(size=(8, 8, 1))
    y, x = np.mgrid[:96, :120] / 96
    image = sum(
        waves[a, b] / (1 + a + b) * (np.cos(np.pi * a * y) * np.cos(np.pi * b * x))[..., None]
        for a in range(8)
        for b in range(8)
    )
    return Image.fromarray(np.uint8(np.repeat(127 + 30 * np.clip(image, -4, 4), 3, axis=2)))


def jpeg(image, quality=95):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def data_set(folder, table, images, **config):
    """A table of (class, species, split) with a photograph for each row."""
    folder.mkdir()
    rows = ["file,label,genus,species,split"]
    for number, ((label, species, split), image) in enumerate(zip(table, images, strict=True)):
        (folder / f"{number}.jpg").write_bytes(image)
        genus, _, epithet = species.partition(" ")
        rows.append(f'{number}.jpg,{label},{genus},"{epithet}",{split}')
    (folder / "rows.csv").write_text("\n".join(rows))
    source = {
        "kind": "table",
        "path": str(folder / "rows.csv"),
        "columns": {"path": "file", "label": "label", "split": "split"},
    }
    return DatasetConfig.model_validate(
        {"source": source, "split": {"method": "given"}, "image": {}, **config}
    )


def curated(folder, config, apart=None, name="set"):
    parts = [AcquiredPart.of(files, folder) for files in acquire_parts(folder, config, name=name)]
    report = curate(name, config.split, seed=0, parts=parts, folder=folder, apart=apart)
    return report, pl.DataFrame(read_table(folder / "catalog.parquet", CATALOG))


@pytest.fixture
def judged(tmp_path):
    """Six photographs for test of two species, and one that trains."""
    table = [("merle", "Turdus merula", "test")] * 3 + [("grive", "Turdus pilaris", "test")] * 3
    table += [("grive", "Turdus pilaris", "train")]
    config = data_set(tmp_path / "j", table, [jpeg(photograph(seed)) for seed in range(7)])
    curated(tmp_path / "judged", config)
    return JudgedData(tmp_path / "judged/catalog.parquet", tmp_path / "judged/classes.parquet")


def planted():
    """What is shared with ``judged`` and what is not, by key."""
    first, second, third = (photograph(seed) for seed in range(3))
    other = [("crow", "Corvus corax", "train")] * 8
    other[6] = ("thrush", "Merula merula (Linnaeus, 1758)", "train")  # a synonym, with its author
    other[7] = ("finch", "Fringilla coelebs", "train")
    images = [
        jpeg(first),  # 0: the same bytes
        jpeg(second, 60),  # 1: encoded again
        jpeg(third.resize((60, 48))),  # 2: resized
        jpeg(ImageOps.mirror(first).resize((80, 64)), 80),  # 3: mirrored and resized
        jpeg(photograph(6)),  # 4: the judged data set trains on it too
        *(jpeg(photograph(seed)) for seed in (20, 21, 22)),  # 5, 6, 7: its own
    ]
    return other, images


def names():
    """A checklist in which Merula merula is a synonym of Turdus merula."""
    accepted = dict.fromkeys(TAXON_NAMES.names, "") | {
        "provider": "list",
        "source_id": "1",
        "name": "Turdus merula",
        "canonical": "Turdus merula",
        "rank": "species",
        "status": "accepted",
        "accepted_id": "1",
        "kingdom": "Animalia",
        "context": "Animalia",
        "genus": "Turdus",
        "species": "merula",
    }
    synonym = accepted | {
        "source_id": "2",
        "name": "Merula merula",
        "canonical": "Merula merula",
        "status": "synonym",
    }
    return pl.DataFrame([accepted, synonym]).select(TAXON_NAMES.names)


def apart(judged, checklist=None, **config):
    config = LeakageConfig.model_validate({"apart_from": ["birds"], **config})
    providers = ["list"] if checklist is not None else []
    of = partial(species_names, names=checklist, providers=providers)
    return Apart(config, [judged], of)


def left_out(tmp_path, how):
    table, images = planted()
    config = data_set(tmp_path / "t", table, images)
    report, catalog = curated(tmp_path / "trains", config, how)
    kept = sorted(int(key.removesuffix(".jpg")) for key in catalog["key"])
    return report.dropped, kept


def test_planted_copies_and_a_synonym_are_left_out_with_reasons(tmp_path, judged):
    how = apart(judged, names(), by=["bytes", "versions", "species"], action="remove")
    dropped, kept = left_out(tmp_path, how)
    assert kept == [4, 5, 7]
    assert dropped.counts == {
        "the same bytes as an image of birds": 1,
        "a version of an image of birds": 3,
        "a species of birds": 1,
    }
    assert {one.key: one.reason for one in dropped.examples}["6.jpg"] == "a species of birds"


def test_a_synonym_needs_a_checklist_and_an_author_does_not(tmp_path, judged):
    how = apart(judged, by=["species"], action="remove")
    assert left_out(tmp_path, how)[1] == list(range(8))
    classes = pl.DataFrame(
        {
            "class_id": ["a", "b", "c"],
            "name": ["", "Turdus merula mauritanicus Hartert", "rock pigeon"],
            **dict.fromkeys(RANKS, ""),
        }
    ).with_columns(
        genus=pl.Series(["Turdus", "", ""]), species=pl.Series(["merula L., 1758", "", ""])
    )
    found = species_names(classes, None, [])
    assert dict(found.iter_rows()) == {"a": "Turdus merula", "b": "Turdus merula"}


def test_by_bytes_alone_versions_stay(tmp_path, judged):
    assert left_out(tmp_path, apart(judged, by=["bytes"], action="remove"))[1] == [
        1,
        2,
        3,
        4,
        5,
        6,
        7,
    ]


def test_it_stops_before_anything_is_written_and_says_what_is_shared(tmp_path, judged):
    with pytest.raises(InputError) as error:
        left_out(tmp_path, apart(judged))
    text = str(error.value)
    assert "4 images are shared" in text and "1 x the same bytes as an image of birds" in text
    assert "3 x a version of an image of birds" in text and "0.jpg, 1.jpg, 2.jpg" in text
    assert "datasets.set.leakage.action: remove" in text
    assert not (tmp_path / "trains/catalog.parquet").exists()


def test_nothing_shared_is_nothing_said(tmp_path, judged):
    table = [("crow", "Corvus corax", "train")] * 2 + [("finch", "Fringilla coelebs", "train")] * 2
    config = data_set(tmp_path / "t", table, [jpeg(photograph(seed)) for seed in range(30, 34)])
    how = apart(judged, by=["bytes", "versions", "species"])
    report, catalog = curated(tmp_path / "trains", config, how)
    assert not report.dropped.counts and catalog.height == 4


def test_a_judged_data_set_without_test_images_is_an_error(tmp_path):
    table = [("merle", "Turdus merula", "train"), ("grive", "Turdus pilaris", "train")] * 2
    config = data_set(tmp_path / "j", table, [jpeg(photograph(seed)) for seed in range(4)])
    curated(tmp_path / "judged", config)
    only = JudgedData(tmp_path / "judged/catalog.parquet", tmp_path / "judged/classes.parquet")
    with pytest.raises(InputError, match=r"birds has no image for validation or test"):
        left_out(tmp_path, apart(only, action="remove"))
    assert not (tmp_path / "trains/catalog.parquet").exists()


def test_the_hash_of_a_mirror_image_is_known_from_that_of_the_image():
    differ = []
    for seed in range(40):
        image = photograph(seed)
        guess = mirrored(np.array([perceptual_hash(image)], np.uint64))[0]
        differ.append((int(guess) ^ perceptual_hash(ImageOps.mirror(image))).bit_count())
    assert np.mean(np.array(differ) <= 6) >= 0.9


@pytest.mark.parametrize("bits", [0, 3, 6])
def test_pairs_between_two_sets_are_those_of_comparing_all(bits, tmp_path):
    rng = np.random.default_rng(bits)
    theirs = np.unique(rng.integers(0, 2**63, 30, dtype=np.uint64))
    flips = np.uint64(1) << rng.integers(0, 64, (30, 8), dtype=np.uint64)
    near = [np.bitwise_xor.reduce(flips[i, : i % 9]) ^ one for i, one in enumerate(theirs)]
    mine = np.unique(np.concatenate([np.array(near, np.uint64), theirs[:3]]))
    slow = {(int(a), int(b)) for a in mine for b in theirs if (int(a) ^ int(b)).bit_count() <= bits}
    found = near_between(mine, theirs, bits, tmp_path)
    assert {tuple(map(int, pair)) for pair in found} == slow and len(found) == len(slow) > 2


def test_a_circle_is_found_where_there_is_one():
    assert circle({"a": ["b"], "b": ["c"], "d": ["a"]}) is None
    assert circle({"d": ["a"], "a": ["b"], "b": ["c", "a"]}) == ["a", "b", "a"]
    assert circle({"a": ["a"]}) == ["a", "a"]


@pytest.mark.parametrize(
    ("leakage", "words"),
    [
        ({"apart_from": ["brids"]}, "no 'datasets' entry is called 'brids'"),
        ({"apart_from": ["trains"]}, "trains -> trains is a circle"),
        ({"apart_from": []}, "at least 1 item"),
        ({"apart_from": ["birds"], "by": ["pixels"]}, "by"),
    ],
)
def test_a_config_that_cannot_be_met_says_so(leakage, words):
    source = {"kind": "folder", "path": "x"}
    datasets = {"birds": {"source": source}, "trains": {"source": source, "leakage": leakage}}
    with pytest.raises(InputError, match=words):
        parse_config({"datasets": datasets})


def test_versions_of_images_that_nobody_decoded_cannot_be_found():
    source = {"kind": "folder", "path": "x"}
    birds = {"image": {"check": "header"}, "split": {"near_duplicate_bits": None}}
    trains = {"source": source, "leakage": {"apart_from": ["birds"]}}
    with pytest.raises(InputError, match=r"datasets\.birds\.image\.check: header"):
        parse_config({"datasets": {"birds": {"source": source} | birds, "trains": trains}})
