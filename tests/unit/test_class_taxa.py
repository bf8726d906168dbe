import polars as pl

from nicheclip.config.taxonomy import ProviderConfig, TaxonomyConfig
from nicheclip.runtime.files import write_parquet
from nicheclip.schemas import CLASSES, TAXON_NAMES, VERNACULARS
from nicheclip.taxonomy.class_taxa import resolve_classes
from nicheclip.taxonomy.flatten import flatten
from nicheclip.taxonomy.ingest import read_checklists
from nicheclip.terms import RANKS

CHECKLIST = """\
kingdom,phylum,class,order,family,genus,species,common
Fungi,Basidiomycota,Agaricomycetes,Agaricales,Agaricaceae,Agaricus,Agaricus augustus,The Prince
Animalia,Chordata,Mammalia,Carnivora,Felidae,Puma,Puma concolor,cougar
"""


def class_table(**ranks):
    row = {"class_id": "x", "name": "x", "common": "", "images": 1, **dict.fromkeys(RANKS, "")}
    return pl.DataFrame([row | ranks]).select(CLASSES.names).to_arrow().cast(CLASSES)


def config_of(tmp_path):
    (tmp_path / "list.csv").write_text(CHECKLIST)
    provider = ProviderConfig(name="mine", kind="csv", path=tmp_path / "list.csv")
    return TaxonomyConfig(providers=(provider,))


def test_a_checklist_fills_the_ranks_above_a_species(tmp_path):
    config = config_of(tmp_path)
    lists = read_checklists(config)
    write_parquet(tmp_path / "n.parquet", lists.names.to_arrow().cast(TAXON_NAMES))
    write_parquet(tmp_path / "v.parquet", lists.vernaculars.to_arrow().cast(VERNACULARS))
    classes = class_table(genus="Agaricus", species="Agaricus augustus")
    resolutions = resolve_classes(
        classes, config, names=tmp_path / "n.parquet", vernaculars=tmp_path / "v.parquet"
    )
    assert resolutions["resolution"].to_pylist() == ["exact"]
    taxa, texts = flatten(classes, "set", resolutions=resolutions)
    assert taxa["family"].to_pylist() == ["Agaricaceae"]
    by_type = dict(zip(texts["text_type"].to_pylist(), texts["name"].to_pylist(), strict=True))
    assert by_type["taxon"] == (
        "Fungi Basidiomycota Agaricomycetes Agaricales Agaricaceae Agaricus augustus"
    )


def test_without_checklists_nothing_is_resolved():
    resolutions = resolve_classes(class_table(), TaxonomyConfig(), names=None, vernaculars=None)
    assert resolutions.num_rows == 0
