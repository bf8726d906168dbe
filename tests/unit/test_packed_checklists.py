"""Checklists as they are downloaded: archives read in place, Darwin Core archives' ``meta.xml``."""

import csv
import gzip
import io
import shutil
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import polars as pl
import pytest
from checklist_files import CAT, GBIF_HEADER, by_name, gbif_row, ranks, read, write
from hypothesis import given, settings
from hypothesis import strategies as st

from nicheclip.config.taxonomy import ProviderConfig, TaxonomyConfig
from nicheclip.runtime.errors import InputError
from nicheclip.taxonomy.ingest import read_checklists
from nicheclip.taxonomy.provider_files import provider_files
from nicheclip.taxonomy.providers import delimited
from nicheclip.taxonomy.providers.delimited import scan
from nicheclip.taxonomy.published_table import Table, taxon_table
from nicheclip.terms import RANKS

BAR = "\t|\t"
GBIF = [
    GBIF_HEADER,
    gbif_row("1", "Felis Linnaeus, 1758", "Felis", "genus", "accepted", CAT[:6]),
    gbif_row("2", "Felis catus L.", "Felis catus", "species", "accepted", CAT[:6], parent="1"),
    gbif_row("", "Felis silvestris", "", "species", "accepted", CAT[:6]),
    gbif_row("4", "Catus domesticus", "", "species", "synonym", CAT[:6], accepted="2"),
    ("5",),
    gbif_row("6", "Félis chaus", "", "species", "accepted", CAT[:6]),
]


def pack(files, archive):
    """``files`` (name to path or bytes) as the archive that its suffix says."""
    contents = {
        name: one.read_bytes() if isinstance(one, Path) else one for name, one in files.items()
    }
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in contents.items():
                packed.writestr(name, content)
    else:
        with tarfile.open(archive, f"w:{'gz' if archive.suffix != '.tar' else ''}") as packed:
            for name, content in contents.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                packed.addfile(member, io.BytesIO(content))
    return archive


def same(kind, plain, packed, place):
    """``packed`` gives what ``plain`` gives, and names each row at ``place``."""
    one, other = read(kind, plain), read(kind, packed)
    assert one.names.equals(other.names) and len(one.names)
    table = plain if plain.is_file() else plain / Path(place).name
    for tallies in ((one.dropped, other.dropped), (one.noted, other.noted)):
        assert tallies[0].counts == tallies[1].counts
        keys = [[example.key for example in tally.examples] for tally in tallies]
        assert [key.replace(str(table), str(packed / place)) for key in keys[0]] == keys[1]


@pytest.fixture(params=[40, 2**24])
def block(request, monkeypatch):
    """Blocks of less than a row, and of more than a table."""
    monkeypatch.setattr(delimited, "BLOCK", request.param)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tgz"])
@pytest.mark.parametrize("folder", ["", "backbone/"])
def test_an_archive_gives_what_its_folder_gives(tmp_path, suffix, folder):
    plain = write(tmp_path / "plain" / "Taxon.tsv", GBIF)
    files = {"__MACOSX/._Taxon.tsv": b"junk", "deeper/down/Taxon.tsv": b"", "readme.txt": b"r"}
    packed = pack(files | {f"{folder}Taxon.tsv": plain}, tmp_path / f"backbone{suffix}")
    same("gbif", plain.parent, packed, f"{folder}Taxon.tsv")


@pytest.mark.usefixtures("block")
def test_a_compressed_table_gives_what_the_table_gives(tmp_path):
    plain = write(tmp_path / "Taxon.tsv", GBIF)
    (tmp_path / "Taxon.tsv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    same("gbif", plain, tmp_path / "Taxon.tsv.gz", "")
    names = write(tmp_path / "names.csv", [RANKS, CAT, (*CAT[:6], "=1")], ",")
    (tmp_path / "names.csv.gz").write_bytes(gzip.compress(names.read_bytes()))
    same("csv", names, tmp_path / "names.csv.gz", "")


def test_every_kind_reads_archives(tmp_path):
    coldp = write(
        tmp_path / "NameUsage.tsv",
        [
            ("ID", "parentID", "status", "rank", "scientificName"),
            ("a", "", "accepted", "kingdom", "Animalia"),
            ("b", "a", "accepted", "species", "Felis catus"),
        ],
    )
    same("coldp", coldp, pack({"NameUsage.tsv": coldp}, tmp_path / "col.zip"), "NameUsage.tsv")
    labels = write(tmp_path / "labels.csv", [RANKS, CAT, ("=1", *CAT[1:])], ",")
    for kind in ("csv", "bioscan"):
        packed = pack({"x/labels.csv": labels, "x/a.md": b""}, tmp_path / f"{kind}.zip")
        same(kind, labels, packed, "x/labels.csv")
    tree = tmp_path / "cats.txtree"
    tree.write_text("Félis Linnaeus, 1758 [genus]\n  Felis catus L. [species]\nno row\n")
    same("text_tree", tree, pack({"cats.txtree": tree}, tmp_path / "tree.zip"), "cats.txtree")


def test_the_open_tree_has_its_synonyms_in_the_archive(tmp_path):
    rows = [("uid", "parent_uid", "name", "rank", ""), ("1", "", "Metazoa", "no rank", "")]
    taxa = write(tmp_path / "ott/taxonomy.tsv", rows, BAR)
    synonyms = write(tmp_path / "ott/synonyms.tsv", [("name", "uid", ""), ("Animal", "1", "")], BAR)
    files = {"ott3/taxonomy.tsv": taxa, "ott3/synonyms.tsv": synonyms}
    packed = pack(files, tmp_path / "ott3.tgz")
    same("open_tree", taxa.parent, packed, "ott3/taxonomy.tsv")
    assert len(read("open_tree", packed).names) == 2


def test_itis_is_unpacked_for_the_time_of_a_query(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with sqlite3.connect(tmp_path / "ITIS.sqlite") as database:
        database.executescript(
            "CREATE TABLE taxonomic_units (tsn, parent_tsn, complete_name, name_usage, "
            "taxon_author_id, kingdom_id, rank_id);"
            "CREATE TABLE synonym_links (tsn, tsn_accepted);"
            "CREATE TABLE taxon_authors_lkp (taxon_author_id, kingdom_id, taxon_author);"
            "CREATE TABLE taxon_unit_types (rank_id, kingdom_id, rank_name);"
            "CREATE TABLE vernaculars (tsn, vernacular_name, language);"
            "INSERT INTO taxonomic_units VALUES (1, 0, 'Animalia', 'valid', 0, 5, 10);"
            "INSERT INTO taxon_unit_types VALUES (10, 5, 'Kingdom');"
            "INSERT INTO vernaculars VALUES (1, 'animals', 'English');"
        )
    packed = pack({"itis/ITIS.sqlite": tmp_path / "ITIS.sqlite"}, tmp_path / "itisSqlite.zip")
    same("itis", tmp_path / "ITIS.sqlite", packed, "itis/ITIS.sqlite")
    lists = read_checklists(
        TaxonomyConfig(providers=(ProviderConfig(name="i", kind="itis", path=packed),))
    )
    assert lists.vernaculars["name"].to_list() == ["animals"]
    assert not list((tmp_path / "temporary").iterdir())


TERMS = "http://rs.tdwg.org/dwc/terms/"
META = """<?xml version="1.0" encoding="utf-8"?>
<archive xmlns="http://rs.tdwg.org/dwc/text/">
  <core rowType="http://rs.tdwg.org/dwc/terms/Taxon" {options}>
    <files><location>names.txt</location></files>
    <id index="1"/>
    {fields}
  </core>
  {more}
</archive>
"""
#: place and term of each column of ``names.txt``; ``unused`` is none of ours
FIELDS = ("unused", None, "taxonRank", "scientificName", "kingdom", "family", "taxonomicStatus")


def meta(options="", fields=FIELDS, more="", default=""):
    lines = [
        f'<field index="{place}" term="{TERMS}{term}"/>'
        for place, term in enumerate(fields)
        if term
    ]
    return META.format(options=options, fields="\n".join([*lines, default]), more=more).encode()


OPTIONS = r'fieldsTerminatedBy="\t" linesTerminatedBy="\n" fieldsEnclosedBy=""'
PLAIN = "x\t7\tspecies\tFelis catus\tAnimalia\tFelidae\taccepted\n"


def described(tmp_path, text, description, *, packed, encoding="utf-8"):
    """The archive, as a folder or packed."""
    files = {"names.txt": text.encode(encoding), "meta.xml": description}
    if packed:
        return pack(files, tmp_path / "dwca.zip")
    folder = tmp_path / "dwca"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("packed", [True, False])
def test_meta_tells_the_order_of_columns_without_a_header(tmp_path, packed):
    text = PLAIN + "x\t\tspecies\tFelis chaus\tAnimalia\tFelidae\taccepted\n"
    checklist = read("gbif", described(tmp_path, text, meta(OPTIONS), packed=packed))
    names = by_name(checklist)
    assert ranks(names["Felis catus"]) == ("Animalia", "", "", "", "Felidae", "Felis", "catus")
    assert names["Felis catus"]["source_id"] == "7"
    (dropped,) = checklist.dropped.examples
    assert dropped.reason == "no id" and "names.txt, line 2: 'Felis chaus'" in dropped.key


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("packed", [True, False])
def test_meta_tells_quoting_header_lines_and_encoding(tmp_path, packed):
    text = (
        "a header of two lines\nthat says nothing\n"
        'x;7;species;"Félis ""catus"" L.; a cat\nof the house";Animalia;Felidae;accepted\n'
        "x;8;genus;Felis;Animalia;Felidae;accepted\n"
        "x;;genus;Rosa;Plantae;Rosaceae;accepted\n"
    )
    options = 'fieldsTerminatedBy=";" fieldsEnclosedBy="&quot;" ignoreHeaderLines="2"'
    description = meta(options + ' encoding="ISO-8859-1"')
    folder = described(tmp_path, text, description, packed=packed, encoding="latin-1")
    table = scan(
        taxon_table(folder, ()), {"name": ("scientificName",)}, needed=("name",), separator="\t"
    ).collect()
    assert table["name"].to_list() == ['Félis "catus" L.; a cat\nof the house', "Felis", "Rosa"]
    assert table["line"].to_list() == [3, 5, 6]
    assert "names.txt, line 6: 'Rosa'" in read("gbif", folder).dropped.examples[0].key


def test_meta_gives_values_for_columns_that_are_not_there(tmp_path):
    default = f'<field term="{TERMS}kingdom" default="Animalia"/>'
    fields = ("unused", None, "taxonRank", "scientificName", "unused", "family")
    folder = described(tmp_path, PLAIN, meta(OPTIONS, fields, default=default), packed=False)
    assert by_name(read("gbif", folder))["Felis catus"]["kingdom"] == "Animalia"


def test_a_file_that_meta_describes_may_be_given_itself(tmp_path):
    folder = described(tmp_path, PLAIN, meta(OPTIONS), packed=False)
    assert list(by_name(read("gbif", folder / "names.txt"))) == ["Felis catus"]
    (folder / "meta.xml").write_text("of something else")
    write(folder / "names.txt", GBIF)
    assert "Felis catus" in by_name(read("gbif", folder / "names.txt"))


def test_a_header_that_meta_agrees_with_changes_nothing(tmp_path):
    plain = write(tmp_path / "plain" / "Taxon.tsv", GBIF)
    names = [None if name == "taxonID" else name for name in GBIF_HEADER]
    description = meta(OPTIONS + ' ignoreHeaderLines="1"', names).replace(
        b"names.txt", b"Taxon.tsv"
    )
    description = description.replace(b'id index="1"', b'id index="0"')
    packed = pack({"Taxon.tsv": plain, "meta.xml": description}, tmp_path / "backbone.zip")
    same("gbif", plain.parent, packed, "Taxon.tsv")


COMMON = [("taxonID", "vernacularName", "language"), ("2", "cat", "en"), ("2", "Katze", "de")]
EXTENSION = f"""<extension rowType="http://rs.gbif.org/terms/1.0/VernacularName"
 fieldsTerminatedBy="," ignoreHeaderLines="0">
 <files><location>common.txt</location></files><coreid index="2"/>
 <field index="0" term="{TERMS}vernacularName"/><field index="1" term="{TERMS}language"/>
 </extension>"""


def common_names(kind, path):
    provider = ProviderConfig(name="p", kind=kind, path=path)
    return read_checklists(TaxonomyConfig(providers=(provider,))).vernaculars["name"].to_list()


def test_common_names_come_from_the_archive(tmp_path):
    names = write(tmp_path / "a/Taxon.tsv", GBIF)
    files = {"b/Taxon.tsv": names}
    assert common_names("gbif", pack(files, tmp_path / "without.zip")) == []
    files["b/VernacularName.tsv"] = write(tmp_path / "a/VernacularName.tsv", COMMON)
    assert common_names("gbif", pack(files, tmp_path / "with.zip")) == ["cat", "Katze"]


@pytest.mark.parametrize("packed", [True, False])
def test_common_names_as_meta_describes_them(tmp_path, packed):
    folder = described(tmp_path, PLAIN, meta(OPTIONS, more=EXTENSION), packed=False)
    (folder / "common.txt").write_text('cat,en,7\n"house cat, tame",en,7\n')
    path = folder
    if packed:
        path = pack({one.name: one for one in folder.iterdir()}, tmp_path / "dwca.tar.gz")
    assert common_names("gbif", path) == ["cat", "house cat, tame"]


def test_what_an_archive_is_read_from(tmp_path):
    def files(path, kind="gbif", **options):
        return provider_files(ProviderConfig(name="x", kind=kind, path=path, **options))

    archive = described(tmp_path, PLAIN, meta(OPTIONS), packed=True)
    assert files(archive) == [archive]
    assert files(tmp_path / "absent.zip") == [tmp_path / "absent.zip"]
    folder = described(tmp_path, PLAIN, meta(OPTIONS, more=EXTENSION), packed=False)
    taxa, description = folder / "names.txt", folder / "meta.xml"
    (folder / "common.txt").write_text("cat,en,7\n")
    assert files(folder) == files(taxa) == [taxa, description, folder / "common.txt"]
    told = files(taxa, vernaculars=archive)
    assert told == [taxa, description, archive]


def flipped(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def damaged(tmp_path, how):
    table = write(tmp_path / "Taxon.tsv", GBIF)
    if how == "a page instead of a zip":
        (tmp_path / "x.zip").write_text("<html>Log in</html>")
        return tmp_path / "x.zip"
    if how == "a page instead of a tar":
        (tmp_path / "x.tar.gz").write_text("<html>Log in</html>")
        return tmp_path / "x.tar.gz"
    if how == "a zip that is cut":
        packed = pack({"Taxon.tsv": table}, tmp_path / "x.zip")
        packed.write_bytes(packed.read_bytes()[:-30])
    elif how == "a zip with a flipped byte":
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.write(table, "Taxon.tsv")
        packed = tmp_path / "x.zip"
        flipped(packed, packed.read_bytes().index(b"Linnaeus"))
    elif how == "a gz that is cut":
        packed = tmp_path / "Taxon.tsv.gz"
        packed.write_bytes(gzip.compress(table.read_bytes())[:-9])
    elif how == "a gz with another sum":
        packed = tmp_path / "Taxon.tsv.gz"
        packed.write_bytes(gzip.compress(table.read_bytes()))
        flipped(packed, -6)
    elif how == "a tar.gz with another sum":
        packed = pack({"Taxon.tsv": table}, tmp_path / "x.tar.gz")
        flipped(packed, -6)
    else:  # a tar whose second header is broken, or that is cut before it
        packed = pack({"Taxon.tsv": table, "VernacularName.tsv": table}, tmp_path / "x.tar")
        second = packed.read_bytes().index(b"VernacularName.tsv")
        if how == "a tar with a broken header":
            flipped(packed, second)
        else:
            packed.write_bytes(packed.read_bytes()[:second])
    return packed


@pytest.mark.parametrize(
    "how",
    [
        "a page instead of a zip",
        "a page instead of a tar",
        "a zip that is cut",
        "a zip with a flipped byte",
        "a gz that is cut",
        "a gz with another sum",
        "a tar.gz with another sum",
        "a tar with a broken header",
        "a tar that is cut",
    ],
)
def test_a_damaged_archive_is_named(tmp_path, how):
    packed = damaged(tmp_path, how)
    with pytest.raises(
        InputError, match=r"a damaged archive, or none .*Download it again"
    ) as error:
        read("gbif", packed)
    assert str(packed) in str(error.value)


def test_an_encrypted_zip_is_named(tmp_path):
    packed = pack({"Taxon.tsv": b"x" * 50}, tmp_path / "x.zip")
    content = bytearray(packed.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    packed.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.zip: encrypted\. Unpack it"):
        read("gbif", packed)


def test_an_archive_of_class_folders_is_an_error(tmp_path):
    packed = pack({"00000_Animalia/x.jpg": bytes(range(256))}, tmp_path / "train.zip")
    with pytest.raises(InputError, match=r"train\.zip, line 1: .* Give iNat21's folder"):
        read("inat21", packed)


def test_an_archive_without_the_table_says_what_it_holds(tmp_path):
    packed = pack({"a.csv": b"", "b/b.csv": b""}, tmp_path / "x.zip")
    with pytest.raises(InputError, match=r"an archive with Taxon\.tsv.*, found a\.csv, b/b\.csv"):
        read("gbif", packed)
    with pytest.raises(InputError, match=r"2 files fit \*\.csv \(a\.csv, b/b\.csv\), expected one"):
        read("csv", packed)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (b"<archive", "meta.xml: no XML"),
        (b"<archive/>", "0 tables of the row type Taxon, expected one"),
        (meta().replace(b"terms/Taxon", b"terms/Occurrence"), "Give a checklist, not occurrences"),
        (meta().replace(b"names.txt", b"other.txt"), "the file 'other.txt' is not beside it"),
        (meta('fieldsTerminatedBy="||"'), r"fields in '\|\|'.*expected line feeds and single"),
        (meta(r'linesTerminatedBy="\r"'), r"lines end in '\\r'"),
        (meta('encoding="klingon"'), "the encoding 'klingon' is unknown"),
        (meta('ignoreHeaderLines="one"'), "ignoreHeaderLines is 'one', expected a number"),
        (meta().replace(b'id index="1"', b'id index="99999999"'), "index is '99999999'"),
        (meta(OPTIONS, FIELDS[:3]), "as its meta.xml describes it: expected a column 'scientificN"),
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_a_meta_that_cannot_be_used_says_why(tmp_path, description, message, packed):
    path = described(tmp_path, PLAIN, description, packed=packed)
    with pytest.raises(InputError, match=message):
        read("gbif", path)


CELL = st.text(alphabet='a,"\n é', max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(CELL, CELL), max_size=8), st.integers(1, 30))
def test_blocks_of_any_size_give_the_rows_of_the_file(tmp_path_factory, rows, block):
    """Blocks are cut at the ends of rows, not at line feeds in quotation marks."""
    folder = tmp_path_factory.mktemp("blocks")
    with (folder / "plain.csv").open("w", newline="") as stream:
        written = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
        written.writerows([("a", "b"), *rows])
    with (folder / "plain.csv").open("rb") as one, gzip.open(folder / "packed.csv.gz", "wb") as two:
        shutil.copyfileobj(one, two)
    options = {"columns": {"a": ("a",), "b": ("b",)}, "needed": "ab", "separator": ","}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "BLOCK", block)
        tables = [
            scan(Table(folder / name), quoted=True, **options).collect()
            for name in ("plain.csv", "packed.csv.gz")
        ]
    assert tables[0].equals(tables[1])
    assert tables[1].select(pl.col("a", "b").fill_null("")).rows() == rows
