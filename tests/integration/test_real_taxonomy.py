"""Real names. Skipped unless NICHECLIP_REAL_DATA names the folder that holds them."""

import json
import os
from pathlib import Path

import polars as pl
import pytest

from nicheclip.config.taxonomy import ProviderConfig
from nicheclip.schemas import CLASSES
from nicheclip.taxonomy.flatten import flatten
from nicheclip.taxonomy.ingest import read_provider
from nicheclip.taxonomy.lineages import clean_lineages
from nicheclip.taxonomy.parsed_columns import parse_column
from nicheclip.taxonomy.parsed_name import parse_name
from nicheclip.taxonomy.providers.checklist import assemble
from nicheclip.taxonomy.resolve import resolve
from nicheclip.terms import RANKS

FOLDER = os.environ.get("NICHECLIP_REAL_DATA")
TREES = "x-col-mammalia/core/src/test/resources/xcol"
BRASSICACEAE = "x-col-mammalia/importer/src/test/resources/acef/73/AcceptedSpecies.txt"


def real(path):
    if not FOLDER:
        pytest.skip("NICHECLIP_REAL_DATA is not set to the folder of real inputs")
    file = Path(FOLDER) / path
    if not file.exists():
        pytest.skip(f"{file} is not there")
    return file


def tree(number, name="col"):
    path = real(f"{TREES}/{number}.txtree")
    return read_provider(ProviderConfig(name=name, kind="text_tree", path=path, kingdom="Animalia"))


def test_every_mammal_is_parsed():
    mammals = tree(102)
    names = mammals.names
    assert not mammals.dropped.counts
    counts = dict(names.group_by("rank", "status").len().select(
        pl.concat_str("rank", pl.lit(" "), "status"), "len").iter_rows())  # fmt: skip
    assert len(names) == 25_181
    assert counts["species accepted"] + counts["species synonym"] == 11_852
    assert counts["subspecies accepted"] + counts["subspecies synonym"] == 10_330
    species = names.filter(pl.col("rank").is_in(["species", "subspecies"]))
    words = species["canonical"].str.count_matches(" ") + 1
    expected = species["rank"].replace_strict({"species": 2, "subspecies": 3})
    assert (words == expected).all()
    assert [parse_name(name).tail for name in names["name"] if parse_name(name).tail] == []
    accepted = species.filter(pl.col("status") == "accepted")
    assert (accepted.select(pl.col("class", "order", "family", "genus") != "").to_series()).all()


def test_mammals_resolve_to_themselves():
    names = tree(102).names
    species = names.filter(pl.col("rank") == "species")
    queries = species.select(
        kingdom=pl.lit("Animalia"), phylum=pl.lit(""), order=pl.lit(""), family=pl.lit(""),
        genus=pl.lit(""), species="name", **{"class": pl.lit("Mammalia")},
    )  # fmt: skip
    found = resolve(queries, names, providers=["col"])
    counts = dict(found["resolution"].value_counts().iter_rows())
    print(counts)
    assert counts["exact"] >= 6_000
    for row in found.filter(pl.col("resolution") == "higher-rank").iter_rows(named=True):
        assert "taxa have this species name, in Animalia" in row["reason"], row


def test_brassicaceae():
    table = pl.read_csv(
        real(BRASSICACEAE), separator="\t", quote_char=None, infer_schema=False,
        encoding="utf8-lossy", null_values="\\N",
    )  # fmt: skip
    rows = table.with_row_index("line", offset=2).select(
        "line",
        source_id="AcceptedTaxonID",
        name=pl.concat_str("Genus", "SpeciesEpithet", "AuthorString", separator=" ",
                           ignore_nulls=True),
        rank=pl.lit("species"),
        **{rank: pl.col(rank.capitalize()) for rank in RANKS[:6]},
    )  # fmt: skip
    checklist = assemble(rows, provider="brassicaceae", file=real(BRASSICACEAE))
    reasons = checklist.dropped.counts
    # an epithet in another encoding; a row that is broken over two lines
    assert reasons == {"broken UTF-8 in the name": 1, "no scientific name": 1}
    assert set(checklist.noted.counts) == {"broken UTF-8 in the author"}
    assert len(checklist.names) + checklist.dropped.counts.total() == len(table)
    given = table.filter(pl.col("SpeciesEpithet").str.contains("^[a-z-]+$"))
    assert len(given) > 3_770
    parsed = parse_column(
        given.select(pl.concat_str("Genus", "SpeciesEpithet", separator=" ")).to_series()
    )
    assert (parsed["genus"] == given["Genus"]).all()
    # hybrids are written with a sign before the epithet; hyphens stay
    assert (parsed["epithets"].str.strip_prefix("× ") == given["SpeciesEpithet"].str.strip_prefix(
        "x ")).all()  # fmt: skip


def test_inaturalist_names():
    lines = real("x-sinr-taxa/web_app/taxa_02_08_2023_names.txt").read_text().splitlines()
    names = pl.Series([line.split("\t")[1] for line in lines])
    parsed = parse_column(names)
    counts = dict(parsed["kind"].value_counts().iter_rows())
    assert len(names) == 47_375
    assert counts.pop("name") == 47_366
    assert counts == {"virus": 6, "provisional": 3}
    unchanged = parsed["genus"] + " " + parsed["epithets"] == names
    assert unchanged.filter(parsed["kind"] == "name").sum() == 47_364


@pytest.mark.parametrize("policy", ["as_published", "finest_known"])
def test_rare_species_flatten_to_their_published_texts(policy):
    path = "x-bioclip/data/annotation/rare_species/metadata.csv"
    rows = pl.read_csv(real(path)).rename({"class": "name", "cls": "class"})
    assert len(rows) == 11_983
    table = rows.select(
        class_id=pl.col("").cast(pl.String), name="name", common="common_name",
        images=pl.lit(1, dtype=pl.Int64), **{rank: pl.col(rank) for rank in RANKS},
    ).select(CLASSES.names)  # fmt: skip
    taxa, texts = flatten(table.to_arrow().cast(CLASSES), "rare", policy=policy)
    names = pl.DataFrame(pl.from_arrow(texts)).pivot("text_type", index="class_id", values="name")
    both = names.join(table, on="class_id")
    assert (both["sci"] == both["name"]).all()
    taxonomic = both.select(pl.concat_str(RANKS, separator=" ")).to_series()
    assert (both["taxon"] == taxonomic).all()
    assert (both["taxon_com"] == taxonomic + " with common name " + both["common"]).all()
    unseen = json.loads(real("x-bioclip/data/rarespecies/unseen_in_training.json").read_text())
    joined = {"-".join(row) for row in both.select(RANKS).unique().iter_rows()}
    assert joined == set(unseen) and len(joined) == taxa.num_rows == 400


def test_species_without_genus_of_clibd():
    path = "x-clibd/data/INSECT/specie_to_other_labels.json"
    labels = json.loads(real(path).read_text())
    rows = pl.DataFrame(
        [
            dict.fromkeys(RANKS, "") | {"species": species} | above
            for species, above in labels.items()
        ],
        schema=dict.fromkeys(RANKS, pl.String),
    )
    clean = clean_lineages(rows)
    lacking = clean.filter(rows["genus"] == "")
    assert len(clean) == 1_213
    assert lacking.select("genus", "species").rows() == [
        ("Sericoides", "lineolata"), ("Rhimphoctona", "teredo"), ("Roptrocerus", "mirus"),
    ]  # fmt: skip
    # their orders (a plant-like Lineolatales, molluscs) are wrong in the file: a checklist of
    # insects puts them right where the kingdom is known, and says so; without, it is another taxon
    insect = ("Animalia", "Arthropoda", "Insecta")
    above = {"Rhimphoctona": ("Hymenoptera", "Ichneumonidae")}
    checklist = assemble(
        pl.DataFrame(
            [
                {"line": i, "source_id": str(i), "name": genus, "rank": "genus"}
                | dict(zip(RANKS, (*insect, *higher, genus), strict=False))
                for i, (genus, higher) in enumerate(above.items())
            ]
        ),
        provider="insects",
        file=Path("made"),
    )
    wasp = rows.filter(rows["species"] == "Rhimphoctona teredo")
    both = pl.concat([wasp.with_columns(kingdom=pl.lit("Animalia")), wasp])
    right, doubtful = resolve(both, checklist.names, providers=["insects"]).to_dicts()
    assert (right["order"], right["family"]) == ("Hymenoptera", "Ichneumonidae")
    assert (right["resolution"], right["changed"]) == ("higher-rank", "order,family")
    assert (doubtful["family"], doubtful["resolution"]) == ("Teredinidae", "unresolved")
    assert "the genus is known only under other ranks, in Animalia" in doubtful["reason"]
    assert {name for name in clean["species"] if not name.islower() or " " in name} == {
        "nr. albilineatum", "nr. dissimilis",
    }  # fmt: skip


def test_taxonopy_answer_by_answer():
    """Of the peer's own accepted lineages, the one that it chose for each record is ours too.

    Its checklist, GBIF's backbone, is not at hand, so the lineages come from its answers: this
    tests the choice (a missing kingdom, ranks above, two kingdoms), not the lineages. Those are
    tested below, as far as other sources have the sample's names.
    """
    asked = pl.read_parquet(real("x-taxonopy/examples/input/sample.parquet"))
    answers = pl.read_parquet(real("x-taxonopy/examples/resolved/sample.resolved.parquet"))
    unsolved = pl.read_parquet(real("x-taxonopy/examples/resolved/sample.unsolved.parquet"))
    rows = answers.with_row_index("line").select(
        "line", source_id="uuid", name="species", rank=pl.lit("species"),
        **{rank: pl.col(rank) for rank in RANKS[:6]},
    )  # fmt: skip
    names = assemble(rows, provider="gbif", file=Path("x-taxonopy")).names
    found = resolve(asked.select(RANKS), names, providers=["gbif"])
    found = pl.concat([asked.select("uuid"), found], how="horizontal")
    both = answers.join(found, on="uuid", suffix="_ours", maintain_order="left")
    for rank in RANKS[:6]:
        assert both[rank].to_list() == both[f"{rank}_ours"].to_list()
    assert both["species"].to_list() == [
        f"{genus} {epithet}" for genus, epithet in both.select("genus_ours", "species_ours").rows()
    ]
    assert both["resolution"].to_list() == ["exact"] * 4 + ["homonym-by-context"] * 2
    nothing = found.filter(~pl.col("uuid").is_in(answers["uuid"].to_list()))
    assert nothing["uuid"].to_list() == unsolved["uuid"].to_list()
    assert nothing["resolution"].to_list() == ["unresolved"]


def test_taxonopy_answers_by_independent_checklists():
    """Mammals of the Catalogue of Life and CLIBD's insect labels: two of the sample's names.

    No other source here has lineages of the sample's plants and fungus, nor of the moth.
    """
    asked = pl.read_parquet(real("x-taxonopy/examples/input/sample.parquet"))
    answers = pl.read_parquet(real("x-taxonopy/examples/resolved/sample.resolved.parquet"))
    labels = json.loads(real("x-clibd/data/INSECT/specie_to_other_labels.json").read_text())
    insect = {"kingdom": "Animalia", "phylum": "Arthropoda", "class": "Insecta"}
    rows = [
        insect | above | {"line": i, "source_id": str(i), "name": species, "rank": "species"}
        for i, (species, above) in enumerate(labels.items())
    ]
    insects = assemble(pl.DataFrame(rows), provider="clibd", file=Path("clibd")).names
    names = pl.concat([tree(102).names, insects])
    found = resolve(asked.select(RANKS), names, providers=["col", "clibd"])
    found = pl.concat([asked.select("uuid"), found], how="horizontal")
    known = found.filter(pl.col("resolution") != "unresolved")
    assert dict(known.select("matched", "provider").iter_rows()) == {
        "Homo sapiens": "col", "Apis mellifera": "clibd",
    }  # fmt: skip
    assert known["resolution"].to_list() == ["exact", "exact"]
    both = known.join(answers, on="uuid", suffix="_theirs", maintain_order="left")
    for rank in RANKS[:6]:
        assert both[rank].to_list() == both[f"{rank}_theirs"].to_list()
    binomials = both["genus"] + " " + both["species"]
    assert binomials.to_list() == both["species_theirs"].to_list()


def test_taxonopy_name_lists():
    names = real("x-taxonopy/tests/inputs/resolve-please_1k.txt").read_text().splitlines()
    parsed = [parse_name(name) for name in names]
    unread = [name for name, one in zip(names, parsed, strict=True) if one.kind == "unparsed"]
    assert not [name for name in unread if name.strip()]
    assert parse_name("Palafoxia texana dc.").tail == "dc."
