"""The papers' tables: from their files and the config to what each entry measures."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from nicheclip.config.tables import Asked, read_table_spec
from nicheclip.plan.cells import Cell
from nicheclip.plan.plan import Plan, unique
from nicheclip.plan.table_axes import Axes, Setting
from nicheclip.plan.table_checks import check_agreement
from nicheclip.plan.table_columns import PlannedColumn, plan_columns, planned_mark
from nicheclip.plan.table_request import FACTS, Row, Selection, TableRequest
from nicheclip.plan.table_selections import Selections
from nicheclip.plan.words import SCALE_MARKS
from nicheclip.runtime.errors import InputError
from nicheclip.subjects import aligned_manifest

#: of a task: images that are fitted, and texts of the classes
TASK_FILES = ("fit/images.arrow", "texts.json")


class PaperTables:
    """The tables and figures of the papers that a config has."""

    def __init__(self, plan: Plan) -> None:
        """Read every table of these papers.

        Raises:
            InputError: a table's file is not valid, or the config lacks something that it needs.
        """
        planned = frozenset(plan.all_cells())
        papers = plan.config.papers
        self._tables: dict[str, list[PaperTable]] = {}
        for paper in type(papers).model_fields:
            if getattr(papers, paper) is None:
                continue
            folder = plan.registry / "tables" / paper
            files = sorted(folder.glob("*.yaml"))
            if not files:
                raise InputError(
                    f"{folder}: no table; expected a YAML file for each table of {paper}."
                )
            self._tables[paper] = [PaperTable(plan, paper, file, planned) for file in files]

    @property
    def papers(self) -> list[str]:
        """The papers' names in the config."""
        return list(self._tables)

    def of(self, paper: str) -> list["PaperTable"]:
        """The tables and figures of a paper that have something to show."""
        return [table for table in self._tables[paper] if table.made]

    @cached_property
    def by_name(self) -> dict[str, "PaperTable"]:
        """All of them."""
        return {table.name: table for paper in self.papers for table in self.of(paper)}


class PaperTable:
    """One table of one paper."""

    def __init__(self, plan: Plan, paper: str, file: Path, planned: frozenset[Cell]) -> None:
        """Read the table and check that its cells are ``planned``.

        Raises:
            InputError: the file or the config lacks something that the table needs.
        """
        self._plan = plan
        self.paper = paper
        self.name = f"{paper}_{file.stem}"
        self.spec = read_table_spec(file)
        self._axes = Axes(plan, paper, str(file))
        self._selections = Selections(plan, paper, self.name, self._axes, planned)
        self._worked_out = self._request()

    @property
    def made(self) -> bool:
        """Whether the config has any row of it."""
        return self._worked_out is not None

    @property
    def request(self) -> TableRequest:
        """The table, worked out and checked against the plan."""
        assert self._worked_out is not None, f"{self.name} has no row"
        return self._worked_out

    @property
    def title(self) -> str:
        """Of the paper."""
        title: str = getattr(self._plan.config.papers, self.paper).title
        return title

    @property
    def label(self) -> str:
        """A short title."""
        return self.spec.label

    @property
    def caption(self) -> str:
        """Under the table in the report."""
        return self.spec.caption

    @property
    def has_figure(self) -> bool:
        """A figure is drawn from it."""
        return self.spec.figure is not None

    @property
    def has_rows(self) -> bool:
        """It is a table, not a figure alone."""
        return bool(self.spec.columns)

    @property
    def outputs(self) -> list[str]:
        """What its target asks for."""
        files = []
        if self.has_rows:
            files += [f"results/tables/{self.name}.{k}" for k in ("md", "csv", "tex", "html")]
        return files + [f"results/figures/{self.name}.svg"] * self.has_figure

    @property
    def inputs(self) -> list[str]:
        """The files and folders that it is made from."""
        request, reads = self.request, self.spec.reads
        files: list[str] = []
        if self.has_rows or "cells" in reads:  # rows are made of cells, whatever else is read
            files += [cell.job for one in request.selections for cell in one.cells]
        if "features" in reads:
            files += [str(Path(path).parents[1] / "manifest.json") for path in request.features]
        for read, name in (("catalog", "catalog.parquet"), ("classes", "classes.parquet")):
            files += [request.acquired(name)] * (read in reads)
        if "tasks" in reads:
            folders = [f"results/tasks/{row.entry.evaluation}" for row in request.rows]
            files += [f"{folder}/{one}" for folder in folders for one in TASK_FILES]
        if "aligned" in reads:
            entries = (row.entry for row in request.rows)
            files += [aligned_manifest(one.name, one.variants[0]) for one in entries]
        if "images" in reads:
            files.append(request.acquired(f"{request.split}/images.arrow"))
        if request.published_file:
            files.append(request.published_file)
        return unique(files)

    @property
    def modules(self) -> list[str]:
        """The modules of the library that are found by a name in the table's file."""
        room = "nicheclip.reporting"
        modules = [f"{room}.row_code.{self.spec.code}"] if self.spec.code else []
        if self.spec.figure:
            modules.append(f"{room}.figure_kinds.{self.spec.figure.kind}")
        return modules

    def _request(self) -> TableRequest | None:
        spec, config = self.spec, self._plan.config
        settings = self._axes.product(spec.rows, Setting(spec.entry.given(), {}, {}))
        columns = plan_columns(spec, config.scale, self._axes, self._asked(settings))
        rows = [self._row(setting, columns) for setting in settings]
        if not rows:
            return None
        self._check_names(rows)
        first = rows[0].entry
        task = self._plan.judged[first.evaluation]
        words = self._axes.paper_words() | {"confidence": f"{task.confidence:.0%}"}
        request = TableRequest(
            name=self.name,
            title=self._worded(spec.title, words) + SCALE_MARKS[config.scale],
            scale=config.scale,
            seed=config.seed,
            bootstrap=task.bootstrap,
            confidence=task.confidence,
            columns=[one.column for one in columns],
            rows=rows,
            code=spec.code,
            percent=spec.percent,
            leave_out_unmeasured=spec.unmeasured == "leave_out",
            published=spec.published,
            published_file=self._published_file(),
            compare=spec.compare,
            mark=planned_mark(spec.mark, columns),
            ranks=spec.ranks,
            notes=[self._worded(note, words) for note in spec.notes],
            figure=spec.figure,
            features=self._features(rows),
            dataset=first.dataset,
            split=first.split,
        )
        check_agreement(self._plan, self.paper, spec, request)
        return request

    def _asked(self, settings: Sequence[Setting]) -> set[Asked]:
        """What the adaptations in the rows ask for."""
        runs = {setting.keys.get("run") for setting in settings}
        entries = self._plan.config.adaptation.items()
        return {"best_epoch" for name, entry in entries if name in runs and entry.best_epoch}

    def _row(self, setting: Setting, columns: Sequence[PlannedColumn]) -> Row:
        words = {**self._axes.evaluation_words(setting), **setting.words}
        texts, entries = {}, {}
        for one in columns:
            column, source = one.column, one.source
            if source.text is not None:
                texts[column.key] = self._worded(source.text, words)
                continue
            changes = {**setting.arms.get(source.arm or "", {}), **one.settled.keys}
            changes |= source.given()
            # a fact of a measure that the column itself names is looked up as well
            measured = column.show == "value" or (column.show in FACTS and changes)
            if column.mean_of or not measured:
                continue
            selection = self._selections.of(setting.joined(changes, {}, {}))
            if self._selections.is_planned(selection, optional=column.optional):
                entries[column.key] = selection
        entry = next(iter(entries.values()), None)
        if entry is None:
            entry = self._selections.of(setting)
            self._selections.is_planned(entry, optional=False)
        label = ", ".join(setting.words[axis.axis] for axis in self.spec.rows)
        return Row(
            label=label,
            texts=texts,
            entries=entries,
            entry=entry,
            method=self._method(entry) if "methods" in self.spec.reads else None,
        )

    def _method(self, entry: Selection) -> dict[str, Any]:
        """How the subject of an entry was adapted."""
        adaptation, task = entry.name.split("/")
        return self._plan.adaptations.method(adaptation, task).model_dump(mode="json")

    def _check_names(self, rows: Sequence[Row]) -> None:
        """No two rows of a table have the same texts: the published numbers are found by them."""
        found = set()
        for row in rows if self.has_rows else []:
            texts = tuple(row.texts.values())
            if texts in found:
                raise self._axes.error(
                    f"two rows are called {', '.join(texts)}; tell them apart by a text column"
                )
            found.add(texts)

    def _features(self, rows: Sequence[Row]) -> list[str]:
        if "features" not in self.spec.reads:
            return []
        return [
            self._plan.image_features(row.entry.dataset, row.entry.split, cell.subject)
            for row in rows
            for cell in row.entry.cells
        ]

    def _published_file(self) -> str | None:
        if self.spec.published is None:
            return None
        path = self._plan.registry / "published" / self.spec.published.csv
        if not path.is_file():
            raise self._axes.error(f"published.csv: there is no file {path}")
        return str(path)

    def _worded(self, text: str, words: Mapping[str, str]) -> str:
        try:
            return text.format_map(words)
        except (KeyError, ValueError, IndexError) as error:
            raise self._axes.error(
                f"{text!r}: no word for {error}; valid: {', '.join(sorted(words))}"
            ) from error
