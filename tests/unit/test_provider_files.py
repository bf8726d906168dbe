"""Which files a checklist is read from: those that its reader opens."""

import subprocess
import sys
from pathlib import Path

import pytest
from checklist_files import CAT, coldp, gbif, gbif_row, write

from nicheclip.config.taxonomy import ProviderConfig
from nicheclip.taxonomy import ingest
from nicheclip.taxonomy.provider_files import provider_files
from nicheclip.taxonomy.providers import col, darwin_core, open_tree

BAR = "\t|\t"


def provider(kind, path, **options):
    return ProviderConfig(name="x", kind=kind, path=path, **options)


def taxonomy(folder, *, synonyms):
    row = ("1", "", "Metazoa", "kingdom", "")
    write(folder / "taxonomy.tsv", [("uid", "parent_uid", "name", "rank", ""), row], BAR)
    if synonyms:
        write(folder / "synonyms.tsv", [("name", "uid", "")], BAR)


def test_a_folder_gives_the_file_that_is_read(tmp_path):
    usage = ("1", "", "accepted", "kingdom", "Animalia")
    folder = coldp(tmp_path / "col", usage)
    assert provider_files(provider("coldp", folder)) == [col.read_coldp(folder)[1]]
    folder = gbif(tmp_path, gbif_row("1", "Felis", "Felis", "genus", "accepted", CAT[:6]))
    for path in (folder, tmp_path):
        read = darwin_core.read(path, darwin_core.GBIF)[1]
        assert provider_files(provider("gbif", path)) == [read]


@pytest.mark.parametrize("as_file", [True, False])
def test_synonyms_beside_the_open_tree(tmp_path, as_file):
    path = tmp_path / "taxonomy.tsv" if as_file else tmp_path
    taxonomy(tmp_path, synonyms=False)
    files = provider_files(provider("open_tree", path))
    assert files == [open_tree.read(path)[1]] == [tmp_path / "taxonomy.tsv"]
    taxonomy(tmp_path, synonyms=True)
    assert provider_files(provider("open_tree", path))[1:] == [tmp_path / "synonyms.tsv"]


def test_common_names_beside_or_elsewhere(tmp_path):
    names = write(tmp_path / "a/NameUsage.tsv", [("ID",)])
    beside = provider("coldp", tmp_path / "a")
    assert provider_files(beside) == [names]
    common = write(tmp_path / "a/VernacularName.tsv", [("taxonID",)])
    assert provider_files(beside) == provider_files(provider("coldp", names)) == [names, common]
    own = write(tmp_path / "own.tsv", [("taxonID",)])
    told = provider("coldp", tmp_path / "a", vernaculars=own)
    assert provider_files(told) == [names, own]
    taxa = write(tmp_path / "b/taxa.csv", [("id",)])
    languages = [write(tmp_path / f"b/VernacularNames-{one}.csv", [("id",)]) for one in "ba"]
    inaturalist = provider("inaturalist", tmp_path / "b")
    assert provider_files(inaturalist) == [taxa, *sorted(languages)]
    csv = provider("csv", own, vernaculars=tmp_path / "b")
    assert provider_files(csv) == [own, *sorted(languages)]


def test_one_file_for_names_and_common_names_is_told_once(tmp_path):
    file = write(tmp_path / "ITIS.sqlite", [()])
    for path in (tmp_path, file):
        assert provider_files(provider("itis", path)) == [file]


@pytest.mark.parametrize("kind", ["gbif", "itis", "csv", "inat21", "open_tree"])
def test_what_is_not_there_stands_for_itself(tmp_path, kind):
    for path in (tmp_path, tmp_path / "absent"):
        assert provider_files(provider(kind, path)) == [path]


def test_the_workflow_reads_no_tables_to_find_them():
    code = "import sys, nicheclip.taxonomy.provider_files as it; print('polars' in sys.modules)"
    source = Path(ingest.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
