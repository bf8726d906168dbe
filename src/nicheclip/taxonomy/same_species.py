"""The species that classes belong to, by names that are equal for synonyms and with authors."""

from collections.abc import Sequence

import polars as pl

from nicheclip.taxonomy.lineages import clean_lineages
from nicheclip.taxonomy.resolve import resolve
from nicheclip.terms import RANKS

#: genus and first epithet; a variety is of its species
_BINOMIAL = r"^((?:× )?\S+ (?:× )?[\p{Ll}-]+)"


def species_names(
    classes: pl.DataFrame, names: pl.DataFrame | None, providers: Sequence[str]
) -> pl.DataFrame:
    """The names of the species of each class: as it is given, and as the checklists accept it.

    Two classes are of one species when they share a name. A class without a genus and a species is
    read by its display name, where that is a scientific one.

    Args:
        classes: columns class_id, name, ``RANKS``; "" or null is unknown.
        names: schema ``TAXON_NAMES``; None without checklists.
        providers: of the checklists, best first.

    Returns:
        Columns class_id, species; each pair once, none for a class without a species.
    """
    unranked = (pl.col("genus").fill_null("") == "") & (pl.col("species").fill_null("") == "")
    lineages = classes.with_columns(species=pl.when(unranked).then("name").otherwise("species"))
    lineages = lineages.select(pl.col(rank).fill_null("") for rank in RANKS)
    found = [clean_lineages(lineages)["canonical"].str.extract(_BINOMIAL)]
    if names is not None:
        different = lineages.unique(maintain_order=True)
        resolved = resolve(different, names, providers=providers, higher_rank_fallback=False)
        accepted = different.with_columns(
            accepted=(resolved["genus"] + " " + resolved["species"]).str.extract(_BINOMIAL)
        )
        joined = lineages.join(accepted, on=RANKS, how="left", maintain_order="left")
        found.append(joined["accepted"])
    pairs = [pl.DataFrame({"class_id": classes["class_id"], "species": one}) for one in found]
    return pl.concat(pairs).drop_nulls().unique(maintain_order=True)
