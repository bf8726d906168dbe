"""Tables of names: resolved row by row, from the command line, with a trace."""

import polars as pl
import pyarrow as pa
import pytest
from small_checklist import HOMINID, NAMES, lineage

from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import write_parquet
from nicheclip.schemas import RESOLUTIONS, TAXA, TAXON_NAMES, TEXTS, read_table
from nicheclip.taxonomy.resolve_table import main as resolve_table_command
from nicheclip.taxonomy.resolve_table import resolve_table, taxa_of, write_texts
from nicheclip.taxonomy.trace import main, trace
from nicheclip.terms import RANKS


def test_a_table_is_resolved_row_by_row(tmp_path):
    rows = [
        {"image_id": str(i)} | dict(zip(RANKS, given, strict=True))
        for i, given in enumerate(
            [
                lineage(species="Homo sapiens"),
                lineage(genus="Pithecanthropus", species="erectus"),
                lineage(species="Homo sapiens"),
                lineage(genus="Homo", species="erectus"),
            ]
        )
    ]
    rows[0]["kingdom"] = None
    write_parquet(tmp_path / "rows.parquet", pa.Table.from_pylist(rows))
    resolutions = resolve_table(
        tmp_path / "rows.parquet", NAMES, providers=["gbif"], keep=["image_id"],
        output=tmp_path / "out.parquet",
    )  # fmt: skip
    assert len(resolutions) == 3
    out = pl.read_parquet(tmp_path / "out.parquet")
    ids = out["taxon_id"].to_list()
    assert out["resolution"].to_list() == ["exact", "synonym", "exact", "exact"]
    assert ids[0] == ids[2] and ids[1] == ids[3] and ids[0] != ids[1]
    taxa = taxa_of(resolutions)
    assert taxa.columns == RESOLUTIONS.names
    assert dict(taxa.select("species", "resolution").iter_rows()) == {
        "erectus": "exact", "sapiens": "exact",
    }  # fmt: skip
    write_texts(taxa, tmp_path / "texts.parquet")
    assert len(read_table(tmp_path / "texts.parquet", TEXTS)) == 14
    with pytest.raises(InputError, match="no column 'image'"):
        resolve_table(
            tmp_path / "rows.parquet", NAMES, providers=[], keep=["image"],
            output=tmp_path / "o.parquet",
        )  # fmt: skip


def test_rows_of_a_table_keep_their_order_and_columns(tmp_path):
    count = 300_000
    number = pl.int_range(count, eager=True)
    rows = pl.DataFrame(
        {
            "image_id": number.shuffle(seed=0).cast(pl.String),
            "source": pl.Series(["zoo"]).extend_constant("zoo", count - 1),
            **{rank: pl.Series([""] * count) for rank in RANKS[:5]},
            "genus": "Genus" + (number % 50_000).cast(pl.String),
            "species": pl.select(
                pl.when(number % 7 == 0).then(pl.lit("Homo sapiens")).otherwise(pl.lit(""))
            ).to_series(),
        }
    )
    rows.write_parquet(tmp_path / "rows.parquet", row_group_size=20_000)
    resolve_table(
        tmp_path / "rows.parquet", NAMES, providers=["gbif"], output=tmp_path / "out.parquet"
    )
    out = pl.read_parquet(tmp_path / "out.parquet")
    assert out.columns == ["image_id", "source", "taxon_id", "resolution"]
    assert out["image_id"].equals(rows["image_id"])
    assert (out["resolution"] == "exact").equals((number % 7 == 0).alias("resolution"))


def test_a_column_that_would_be_written_twice_is_refused(tmp_path):
    row = {"image_id": "a", "taxon_id": "b"} | dict(zip(RANKS, lineage(), strict=True))
    write_parquet(tmp_path / "rows.parquet", pa.Table.from_pylist([row]))
    files = {"rows": tmp_path / "rows.parquet", "output": tmp_path / "out.parquet"}
    with pytest.raises(InputError, match="has a column 'taxon_id', which is what this writes"):
        resolve_table(**files, names=NAMES, providers=[])
    resolve_table(**files, names=NAMES, providers=[], keep=["image_id"])
    assert pl.read_parquet(files["output"])["image_id"].to_list() == ["a"]


def test_a_table_is_resolved_from_the_command_line(tmp_path, capsys):
    rows = [{"image_id": "a"} | dict(zip(RANKS, lineage(species="Homo sapiens"), strict=True))]
    rows.append(rows[0] | {"image_id": "b"})
    write_parquet(tmp_path / "rows.parquet", pa.Table.from_pylist(rows))
    write_parquet(tmp_path / "names.parquet", NAMES.to_arrow().cast(TAXON_NAMES))
    command = [str(tmp_path / "rows.parquet"), "--names", str(tmp_path / "names.parquet")]
    command += ["--output", str(tmp_path / "out")]
    assert resolve_table_command(command) == 0
    assert "1 lineages, 1 taxa" in capsys.readouterr().out
    assert pl.read_parquet(tmp_path / "out/rows.parquet")["image_id"].to_list() == ["a", "b"]
    texts = pl.DataFrame(read_table(tmp_path / "out/texts.parquet", TEXTS))
    assert "Homo sapiens" in texts.filter(pl.col("text_type") == "sci")["name"].to_list()
    assert "Homo_sapiens" in (tmp_path / "out/tree.nwk").read_text()
    taxa = read_table(tmp_path / "out/taxa.parquet", TAXA).to_pylist()
    assert [(taxon["species"], taxon["resolution"]) for taxon in taxa] == [("sapiens", "exact")]
    assert resolve_table_command([*command, "--keep", "absent"]) == 2
    assert "no column 'absent'" in capsys.readouterr().err
    for unreadable in ("absent.parquet", "out/tree.nwk"):
        assert resolve_table_command([str(tmp_path / unreadable), *command[1:]]) == 2
        assert f"{tmp_path / unreadable}: expected a Parquet file" in capsys.readouterr().err


def test_the_command_writes_texts_as_published(tmp_path):
    fly = ("Metazoa", "Arthropoda", "", "Diptera", "Phoridae", "", "")
    synonym = lineage(genus="Pithecanthropus", species="erectus")
    rows = [dict(zip(RANKS, ranks, strict=True)) for ranks in (fly, synonym)]
    write_parquet(tmp_path / "rows.parquet", pa.Table.from_pylist(rows))
    write_parquet(tmp_path / "names.parquet", NAMES.to_arrow().cast(TAXON_NAMES))
    command = [str(tmp_path / "rows.parquet"), "--names", str(tmp_path / "names.parquet")]
    texts = {}
    for policy in ("finest_known", "as_published"):
        folder = tmp_path / policy
        assert resolve_table_command([*command, "--output", str(folder), "--policy", policy]) == 0
        table = pl.DataFrame(read_table(folder / "texts.parquet", TEXTS))
        texts[policy] = set(table.filter(text_type="sci")["text"])
    man = "a photo of Homo erectus."
    assert texts == {
        "finest_known": {man, "a photo of Phoridae."}, "as_published": {man, "a photo of ."},
    }  # fmt: skip


def test_trace(tmp_path, capsys):
    told = trace("Laelia rosea", NAMES, ranks={"kingdom": "Plantae"}, providers=["gbif"])
    assert "candidate  gbif 1: Laelia rosea [species] accepted -> kingdom Animalia" in told
    assert "resolved   homonym-by-context: kingdom Plantae" in told
    write_parquet(tmp_path / "names.parquet", NAMES.to_arrow().cast(TAXON_NAMES))
    assert main(["Homo sapiens L.", "--names", str(tmp_path / "names.parquet")]) == 0
    printed = capsys.readouterr().out
    assert "parsed     name: Homo sapiens, author L." in printed
    assert "through    gbif 4 (Homo sapiens)" in printed
    assert main(["Homo", "--names", str(tmp_path / "absent.parquet")]) == 2


@pytest.mark.parametrize(
    ("name", "ranks", "resolved"),
    [
        ("Hominidae", {}, ["exact: kingdom Animalia, phylum Chordata, class Mammalia, "
                           "order Primates, family Hominidae"]),
        ("Homo sp.", {}, ["exact: " + ", ".join(
            f"{rank} {name}" for rank, name in zip(RANKS, (*HOMINID, "Homo"), strict=False))]),
        ("Carnivora", {}, ["exact: kingdom Animalia, phylum Chordata, class Mammalia, "
                           "order Carnivora", "exact: kingdom Animalia, genus Carnivora"]),
        ("Carnivora", {"genus": "Carnivora"}, ["exact: kingdom Animalia, genus Carnivora"]),
        ("Nemo", {}, ["unresolved: genus Nemo"]),
    ],
)  # fmt: skip
def test_trace_of_a_name_above_the_species(name, ranks, resolved):
    told = trace(name, NAMES, ranks=ranks, providers=["gbif"]).splitlines()
    assert [line[11:] for line in told if line.startswith("resolved")] == resolved
