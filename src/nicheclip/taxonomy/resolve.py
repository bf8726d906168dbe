"""Lineages to accepted taxa, by joins on canonical names, each with how it was resolved.

A name is looked for from the finest one that a lineage has up to its kingdom. Names of another
kingdom than the lineage's are never taken, nor, where a kingdom is unknown, those whose higher
ranks contradict more than they agree. Among several of one name the one whose higher ranks agree
best is taken, and where that leaves several, none is: the next name above is tried.
"""

from collections.abc import Sequence

import polars as pl

from nicheclip.schemas import RESOLUTIONS
from nicheclip.taxonomy.ids import taxon_ids
from nicheclip.taxonomy.kingdoms import context_column
from nicheclip.taxonomy.lineages import clean_lineages, finest
from nicheclip.terms import RANKS

_UNRANKED = ("", "no rank", "no rank - terminal", "unranked", "clade", "other")
_COMPARED = RANKS[1:6]
_STEPS = (*RANKS[:6], "binomial", "species")


def resolve(
    lineages: pl.DataFrame,
    names: pl.DataFrame,
    *,
    providers: Sequence[str],
    common: pl.DataFrame | None = None,
    higher_rank_fallback: bool = True,
) -> pl.DataFrame:
    """How each lineage is resolved; schema ``RESOLUTIONS``, in the order of ``lineages``.

    Args:
        lineages: columns ``RANKS`` as they came, each row once; others are ignored.
        names: schema ``TAXON_NAMES``, of one or several providers.
        providers: their names, best first: the next one is asked only for what none before knew.
        common: columns canonical, context, common (``vernaculars.common_names``).
        higher_rank_fallback: whether a known genus or family gives the ranks above it.
    """
    given = lineages.select(pl.col(rank).cast(pl.String).fill_null("") for rank in RANKS)
    clean = clean_lineages(given)
    queries = _queries(clean.unique(maintain_order=True))
    names = _with_contexts(names).join(_keys(queries), on="canonical", how="semi")
    found, failures = [], []
    unanswered = queries
    for step in reversed(_STEPS):
        asked = unanswered.filter(pl.col(f"key_{step}") != "")
        if not higher_rank_fallback:
            asked = asked.filter(pl.col("finest") == step)
        hits = _search(asked, names, step, providers)
        found.append(_described(hits, step))
        failures.append(_failures(asked, hits, step))
        unanswered = unanswered.join(found[-1], on="row", how="anti")
    reasons = _reasons(pl.concat(failures))
    rows = queries.drop(*(f"key_{step}" for step in _STEPS), "asked_context")
    rows = rows.join(pl.concat(found), on="row", how="left", maintain_order="left")
    rows = rows.join(reasons, on="row", how="left", maintain_order="left")
    return _with_given(given, clean, _answers(rows, common))


def _queries(clean: pl.DataFrame) -> pl.DataFrame:
    """Cleaned lineages with a key for each step, the finest step, and the kingdom context."""
    clean = clean.with_row_index("row")
    keys = [_key(step).alias(f"key_{step}") for step in _STEPS]
    return clean.with_columns(
        *keys,
        finest=finest(pl.lit, _STEPS, name=_key),
        asked_context=context_column(pl.col("kingdom")),
    )


def _with_contexts(names: pl.DataFrame) -> pl.DataFrame:
    """A provider's own word for a kingdom ("Metazoa") gives way to the one for all providers."""
    is_kingdom = pl.col("rank") == "kingdom"
    return names.with_columns(
        kingdom="context",
        canonical=pl.when(is_kingdom).then("context").otherwise("canonical"),
    )


def _keys(queries: pl.DataFrame) -> pl.DataFrame:
    keys = [queries[f"key_{step}"].unique().rename("canonical") for step in _STEPS]
    return pl.concat(keys).unique().to_frame()


def _key(step: str) -> pl.Expr:
    if step == "species":
        return pl.col("canonical")
    if step == "binomial":
        binomial = pl.col("canonical").str.extract(r"^(\S+ [a-z-]+) ").fill_null("")
        return (
            pl.when(pl.col("canonical").str.contains(r" (?:×|sp\.?|aff\.|nr\.?|\?)"))
            .then(pl.lit(""))
            .otherwise(binomial)
        )
    return pl.col(step).str.strip_prefix("× ")


def _search(
    asked: pl.DataFrame, names: pl.DataFrame, step: str, providers: Sequence[str]
) -> pl.DataFrame:
    """The best name for each query: its columns, ``taxa`` (how many are as good), ``homonyms``.

    ``taxa`` is 0 where no name fits; ``contradicts`` says that this is due to the ranks above.
    """
    asked_ranks = [pl.col(rank).alias(f"asked_{rank}") for rank in _COMPARED]
    query = asked.select("row", "asked_context", *asked_ranks, canonical=f"key_{step}")
    candidates = query.join(names, on="canonical", how="inner").filter(_rank_fits(step))
    order = {provider: place for place, provider in enumerate(providers)}
    unknown_kingdom = (pl.col("asked_context") == "") | (pl.col("context") == "")
    same_kingdom = pl.col("asked_context") == pl.col("context")
    candidates = candidates.with_columns(
        place=pl.col("provider").replace_strict(order, default=len(order)),
        agreement=_agreement(step),
    ).with_columns(
        fits=pl.when(unknown_kingdom).then(pl.col("agreement") >= 0).otherwise(same_kingdom),
        contradicts=unknown_kingdom,
        synonym=pl.col("status") != "accepted",
        lineage=pl.concat_str(RANKS, separator="|"),
    )
    best = ("fits", "place", "agreement", "synonym")
    candidates = candidates.sort(
        "row", *best, "provider", "source_id", descending=[False, True, False, True, *[False] * 3]
    )
    top = candidates.filter(
        pl.all_horizontal(pl.col(column) == pl.col(column).first().over("row") for column in best)
    )
    chosen = top.group_by("row", maintain_order=True).agg(
        pl.all().exclude("row", "lineage").first(),
        taxa=pl.when(pl.col("fits").first()).then(pl.col("lineage").n_unique()).otherwise(0),
    )
    others = candidates.group_by("row", "provider").agg(
        homonyms=pl.col("lineage").n_unique() > 1,
        contexts=pl.col("context").unique().sort().replace("", "an unknown kingdom").str.join(", "),
    )
    return chosen.join(others, on=["row", "provider"], how="left", maintain_order="left")


def _rank_fits(step: str) -> pl.Expr:
    if step in ("species", "binomial"):
        return ~pl.col("rank").is_in(RANKS[:6])
    return pl.col("rank").is_in([step, *_UNRANKED])


def _agreement(step: str) -> pl.Expr:
    """Ranks above the step that both give alike, less those that they give differently."""
    above = [rank for rank in _COMPARED if rank != step]
    score: pl.Expr = pl.lit(0)
    for rank in above:
        both = (pl.col(f"asked_{rank}") != "") & (pl.col(rank) != "")
        same = pl.col(f"asked_{rank}") == pl.col(rank)
        # a synonym's genus is not its accepted taxon's, so a different genus says nothing
        different = 0 if rank == "genus" else -1
        score = score + pl.when(~both).then(0).when(same).then(1).otherwise(different)
    return score


def _described(hits: pl.DataFrame, step: str) -> pl.DataFrame:
    """The found names, where just one taxon has the name."""
    columns = ("row", "provider", "source_id", "accepted_id", "synonym", "homonyms")
    return hits.filter(pl.col("taxa") == 1).select(
        *columns,
        *(pl.col(rank).alias(f"found_{rank}") for rank in RANKS),
        matched="canonical",
        step=pl.lit(step),
    )


def _failures(asked: pl.DataFrame, hits: pl.DataFrame, step: str) -> pl.DataFrame:
    rank = pl.lit("species" if step == "binomial" else step)
    missed = asked.select("row").join(hits, on="row", how="left", maintain_order="left")
    missed = missed.filter(pl.col("taxa").is_null() | (pl.col("taxa") != 1))
    return missed.select(
        "row",
        known=pl.col("taxa").is_not_null(),
        reason=pl.when(pl.col("taxa").is_null())
        .then(pl.format("no {} of this name", rank))
        .when((pl.col("taxa") == 0) & pl.col("contradicts"))
        .then(pl.format("the {} is known only under other ranks, in {}", rank, "contexts"))
        .when(pl.col("taxa") == 0)
        .then(pl.format("the {} is known only in {}", rank, "contexts"))
        .otherwise(pl.format("{} taxa have this {} name, in {}", "taxa", rank, "contexts")),
    )


def _reasons(failures: pl.DataFrame) -> pl.DataFrame:
    """Why not the finest name, and why not those above it that are known."""
    told = failures.filter(pl.col("row").is_first_distinct() | pl.col("known"))
    return told.group_by("row", maintain_order=True).agg(pl.col("reason").str.join("; "))


def _answers(rows: pl.DataFrame, common: pl.DataFrame | None) -> pl.DataFrame:
    """Resolved ranks and what goes with them; the cleaned ranks as ``clean_*``."""
    cleaned = {f"clean_{rank}": pl.col(rank) for rank in RANKS}
    rows = rows.with_columns(**cleaned, **_resolved_ranks(), resolution=_resolution())
    rows = rows.with_columns(
        taxon_id=taxon_ids(rows), rank=finest(pl.lit), reason=pl.col("reason").fill_null("")
    )
    if common is None:
        return rows.with_columns(common=pl.lit(""))
    rows = rows.with_columns(context=context_column(pl.col("kingdom")), name=_scientific())
    rows = rows.join(
        common,
        left_on=["name", "context"],
        right_on=["canonical", "context"],
        how="left",
        maintain_order="left",
    )
    return rows.with_columns(pl.col("common").fill_null(""))


def _with_given(given: pl.DataFrame, clean: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """The answers in the order of what was given, beside it."""
    keys = {rank: f"clean_{rank}" for rank in RANKS}
    answers = answers.drop("row", "finest", "synonym", "homonyms", "step")
    rows = clean.rename(keys).join(
        answers, on=[*keys.values(), "canonical"], how="left", maintain_order="left"
    )
    rows = rows.drop(keys.values())
    renamed = given.rename({rank: f"given_{rank}" for rank in RANKS})
    rows = pl.concat([rows, renamed], how="horizontal")
    return rows.with_columns(changed=_changed()).select(RESOLUTIONS.names)


def _resolved_ranks() -> dict[str, pl.Expr]:
    """Down to the step that was found, the provider's names; below it, what was given.

    An epithet is never moved to another genus than the one it was given with: where only the
    genus was found and is a synonym, the genus stays too.
    """
    levels = {step: RANKS.index("species" if step == "binomial" else step) for step in _STEPS}
    reached = pl.col("step").replace_strict(levels, default=-1, return_dtype=pl.Int64)
    above_finest = pl.col("synonym") & (pl.col("step") != pl.col("finest"))
    reached = (
        pl.when(above_finest & (pl.col("step") == "genus")).then(reached - 1).otherwise(reached)
    )
    ranks = {}
    for level, rank in enumerate(RANKS):
        name = pl.when((reached >= level) & (pl.col(f"found_{rank}") != "")).then(f"found_{rank}")
        ranks[rank] = pl.coalesce(name, rank)
    below = (pl.col("step") == "binomial") & ~pl.col("synonym")
    ranks["species"] = pl.when(below).then("species").otherwise(ranks["species"])
    return ranks


def _resolution() -> pl.Expr:
    return (
        pl.when(pl.col("step").is_null())
        .then(pl.lit("unresolved"))
        .when(pl.col("step") != pl.col("finest"))
        .then(pl.lit("higher-rank"))
        .when(pl.col("synonym"))
        .then(pl.lit("synonym"))
        .when(pl.col("homonyms"))
        .then(pl.lit("homonym-by-context"))
        .otherwise(pl.lit("exact"))
    )


def _changed() -> pl.Expr:
    """Ranks that had a name and got another; a genus taken out of the species is not a change."""
    changed = []
    for rank in RANKS:
        given = pl.col(f"given_{rank}")
        same = given == pl.col(rank)
        if rank == "species":
            same = same | (given == pl.concat_str("genus", "species", separator=" "))
        changed.append(pl.when((given != "") & ~same).then(pl.lit(rank)))
    return pl.concat_str(changed, separator=",", ignore_nulls=True)


def _scientific() -> pl.Expr:
    """The key of a common name: genus and epithets without markers, or the finest name."""
    epithets = pl.col("species").str.replace_all(r"(?:^|\s)(?:×|[a-z]+\.) ?", " ")
    binomial = (pl.col("genus") + pl.lit(" ") + epithets).str.replace_all(r"\s+", " ")
    return (
        pl.when(pl.col("species") != "")
        .then(binomial.str.strip_chars())
        .otherwise(finest(pl.col, RANKS[:6]))
    )
