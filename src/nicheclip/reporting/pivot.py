"""From the frame of all cells to a table, as its file describes it."""

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import polars as pl

from nicheclip.plan.table_request import FACTS, Row, TableColumn, TableRequest
from nicheclip.reporting.comparisons import exchange_test, holm
from nicheclip.reporting.judged import predictions_of
from nicheclip.reporting.marks import marked
from nicheclip.reporting.measure_index import MeasureIndex, unmeasured
from nicheclip.reporting.missing import why
from nicheclip.reporting.over_seeds import SeedMeasure, mean_of_entries, over_seeds
from nicheclip.reporting.published import PublishedRow, read_published
from nicheclip.reporting.ranks import rank_table
from nicheclip.reporting.table import Column, Content, Measured, Number, Table

Texts = tuple[str, ...]
Contents = Mapping[str, Content]
Seeds = Mapping[str, list[SeedMeasure]]

#: of shares, and of shares in percent
DIGITS, PERCENT_DIGITS = 3, 1


def make_table(request: TableRequest, frame: pl.DataFrame) -> Table:
    """The paper's rows in its order, then the rows that it does not have.

    Args:
        request: the rows, columns, and what each entry measures.
        frame: of ``evaluation.frame.read_cells``, with all cells of the request.

    Raises:
        InputError: a measure is missing, seeds do not belong together, or the file of published
            numbers is not as expected.
    """
    keys = [column.key for column in request.columns if column.text]
    published = _published(request)
    papers = {tuple(row.texts.get(key, "") for key in keys): row for row in published}
    index = MeasureIndex(frame)
    measured: dict[Texts, tuple[Row, Seeds]] = {}
    for row in request.rows:
        seeds = _measured(request, row, index)
        if seeds is not None:
            measured[tuple(row.texts[key] for key in keys)] = (row, seeds)
    tests = _p_values(request, {texts: row for texts, (row, _) in measured.items()})
    rows = []
    for texts in dict.fromkeys([*papers, *measured]):
        contents: dict[str, Content] = dict(zip(keys, texts, strict=True))
        paper, found = papers.get(texts), measured.get(texts)
        if found is None:
            contents |= dict(_paper_contents(request, paper))
        else:
            code = _code(request, found[0])
            if code is None:
                continue
            shown = _contents(request, found[1], paper)
            contents |= dict(shown) | dict(code) | dict(tests.get(texts, {}))
        ran, seeds = found if found else (None, {})
        rows.append(_explained(request, contents, ran, paper, seeds))
    shown_columns = tuple(Column(c.key, c.label, c.interval) for c in request.columns)
    table = Table(
        title=request.title,
        columns=shown_columns,
        rows=tuple(tuple(row.get(c.key) for c in request.columns) for row in marked(request, rows)),
        notes=(
            *request.notes,
            *_test_note(request, tests),
            *_published_note(published),
            *_empty_note(request, keys, papers),
        ),
        constants=(("scale", request.scale),),
    )
    return rank_table(request, request.ranks, table) if request.ranks else table


def _explained(
    request: TableRequest,
    contents: dict[str, Content],
    row: Row | None,
    paper: PublishedRow | None,
    seeds: Seeds,
) -> dict[str, Content]:
    """``contents`` with the reason in every cell that has no number."""
    empty = [column for column in request.columns if contents.get(column.key) is None]
    return contents | {one.key: why(request, one, row, paper, seeds) for one in empty}


def _measured(request: TableRequest, row: Row, index: MeasureIndex) -> Seeds | None:
    """The seeds of each entry of a row; None where the row is left out."""
    seeds = {key: index.find(selection) for key, selection in row.entries.items()}
    values = [c for c in request.value_columns() if c.key in row.entries]
    if request.leave_out_unmeasured and not seeds[values[0].key]:
        return None
    nothing = not any(seeds[column.key] for column in values)
    for column in values:
        if not seeds[column.key] and (nothing or not column.optional):
            raise unmeasured(row.entries[column.key])
    return {key: found for key, found in seeds.items() if found}


def _contents(request: TableRequest, seeds: Seeds, paper: PublishedRow | None) -> Contents:
    """What is shown of a row that was measured."""
    first = next(c.key for c in request.value_columns() if c.key in seeds)
    values: dict[str, Content] = dict(_paper_contents(request, paper))
    for column in request.columns:
        if column.mean_of and column.show == "value":
            if all(key in seeds for key in column.mean_of):
                mean = mean_of_entries([seeds[key] for key in column.mean_of])
                values[column.key] = _shown(request, mean, column)
        elif column.show == "difference":
            values[column.key] = _difference(request, seeds[column.of or first], column, paper)
        elif column.show == "value" and column.key in seeds:
            values[column.key] = _shown(request, over_seeds(seeds[column.key]), column)
        elif column.show in FACTS:
            values[column.key] = _fact(request, column.show, seeds.get(column.key) or seeds[first])
    return values


def _shown(request: TableRequest, measured: Measured, column: TableColumn) -> Measured:
    """With or without its interval, as a share or in percent."""
    if not column.interval:
        measured = Measured(measured.value, measured.sources)
    if not request.percent:
        return measured
    return replace(
        measured,
        value=100 * measured.value,
        spread=None if measured.spread is None else 100 * measured.spread,
        low=None if measured.low is None else 100 * measured.low,
        high=None if measured.high is None else 100 * measured.high,
        digits=PERCENT_DIGITS,
    )


def _fact(request: TableRequest, show: str, seeds: Sequence[SeedMeasure]) -> Content:
    """What is the same for all seeds, from the first."""
    first = seeds[0]
    if show == "chance":
        if first.chance is None:
            return None
        percent = request.percent
        return Number(100 * first.chance, PERCENT_DIGITS) if percent else Number(first.chance)
    count = {
        "n": first.n,
        # of few-shot accuracy, n counts folds
        "images": first.n if first.shots is None else first.cell_n,
        "classes": first.cell_classes if first.classes is None else first.classes,
        "seeds": len(seeds),
    }[show]
    return Number(count, digits=0)


def _difference(
    request: TableRequest,
    seeds: Sequence[SeedMeasure],
    column: TableColumn,
    paper: PublishedRow | None,
) -> Content:
    """Measured less published, at the paper's scale alone."""
    value = paper.values.get(column.published or "") if paper else None
    if value is None or request.scale != "paper":
        return None
    measured = _shown(request, over_seeds(seeds), column)
    return replace(measured, value=measured.value - value, signed=True)


def _paper_contents(request: TableRequest, paper: PublishedRow | None) -> Contents:
    """The published numbers of a row."""
    if paper is None:
        return {}
    digits = PERCENT_DIGITS if request.percent else DIGITS
    return {
        column.key: Number(
            paper.values[column.published], digits if column.digits is None else column.digits
        )
        for column in request.columns
        if column.show == "published" and column.published in paper.values
    }


def _published(request: TableRequest) -> list[PublishedRow]:
    if request.published is None or request.published_file is None:
        return []
    shown = [c for c in request.columns if c.show in ("published", "difference")]
    values = list(dict.fromkeys(c.published for c in shown if c.published))
    return read_published(request.published_file, request.published.row, values)


def _published_note(published: Sequence[PublishedRow]) -> list[str]:
    sources = sorted({row.source for row in published})
    return [f"Published: {'; '.join(sources)}."] if sources else []


def _empty_note(request: TableRequest, keys: Sequence[str], papers: Iterable[Texts]) -> list[str]:
    """Why rows of the paper have no measured number."""
    planned = {tuple(row.texts[key] for key in keys) for row in request.rows}
    names = [", ".join(dict.fromkeys(texts)) for texts in papers if texts not in planned]
    absent = "; ".join(names)
    return [f"Not measured, since the config has no run for it: {absent}."] if absent else []


def _code(request: TableRequest, row: Row) -> Contents | None:
    """What the table's code gives for a row; None leaves the row out."""
    if request.code is None:
        return {}
    module = importlib.import_module(f"nicheclip.reporting.row_code.{request.code}")
    found: Contents | None = module.entries(request, row)
    return found


def _p_values(request: TableRequest, rows: Mapping[Texts, Row]) -> dict[Texts, Contents]:
    """The p-values of each row against the one that the others are compared with."""
    if request.compare is None:
        return {}
    compare, first = request.compare, request.value_columns()[0].key
    places, values = [], []
    for texts, row in rows.items():
        wanted = row.texts | compare.row
        other = next((one for one in rows.values() if one.texts == wanted), row)
        for column in request.columns:
            keys = column.mean_of or [column.of or first]
            if column.show != "p" or other is row or not row.entries.keys() >= set(keys):
                continue
            p = exchange_test(
                [
                    (predictions_of(row.entries[key]), predictions_of(other.entries[key]))
                    for key in keys
                ],
                over=compare.over,
                resamples=compare.resamples,
                seed=request.seed,
            )
            places.append((texts, column.key))
            values.append(p)
    found: dict[Texts, dict[str, Content]] = {}
    for (texts, key), p in zip(
        places, holm(values) if compare.correct == "holm" else values, strict=True
    ):
        found.setdefault(texts, {})[key] = Number(p, digits=4)
    return {**found}


def _test_note(request: TableRequest, tests: Mapping[Texts, Contents]) -> list[str]:
    compare, count = request.compare, sum(map(len, tests.values()))
    if compare is None or not count:
        return []
    corrected = f", corrected for {count} comparisons by Holm's method" * (
        compare.correct == "holm"
    )
    shown = next(column for column in request.columns if column.show == "p")
    of_what = f" of the mean of {len(shown.mean_of)} columns" * (len(shown.mean_of) > 1)
    return [
        f"p: of a permutation test{of_what} over {compare.over} against "
        f"{', '.join(compare.row.values())}{corrected}."
    ]
