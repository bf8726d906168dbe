"""What the entries of a table measure, checked against what the config judges."""

from nicheclip.plan.cells import Cell
from nicheclip.plan.plan import Plan
from nicheclip.plan.table_axes import Axes, Setting
from nicheclip.plan.table_checks import check_planned
from nicheclip.plan.table_request import FACETS, Selection
from nicheclip.subjects import COLOUR_HISTOGRAM, Subject


class Selections:
    """Works out the entries of one table."""

    def __init__(
        self, plan: Plan, paper: str, table: str, axes: Axes, planned: frozenset[Cell]
    ) -> None:
        """Of ``table``, of ``papers.<paper>``; ``planned``: all that is judged."""
        self._plan, self._paper, self._table = plan, paper, table
        self._axes, self._planned = axes, planned

    def of(self, setting: Setting) -> Selection:
        """What an entry with these keys measures.

        Raises:
            InputError: the config has no such run, or the table names none.
        """
        keys = {key: self._axes.resolved(value, setting) for key, value in setting.keys.items()}
        task, state = self._axes.task(setting), keys.get("state") or "trained"
        subjects = self._subjects(state, keys.get("run"), keys["evaluation"])
        if keys.get("seeds") == "first":
            subjects = subjects[:1]
        return Selection(
            kind=subjects[0].kind,  # a run's start may be another run
            name=subjects[0].name,
            variants=[subject.variant for subject in subjects],
            evaluation=keys["evaluation"],
            dataset=self._axes.dataset(setting),
            split=task.split,
            protocol=keys.get("protocol") or task.protocols[0],
            measure=keys.get("measure") or "top1",
            facets={key: keys[key] for key in FACETS if keys.get(key) is not None},
        )

    def _subjects(self, state: str, run: str | None, evaluation: str) -> list[Subject]:
        if state == "baseline":
            return [COLOUR_HISTOGRAM]
        if run is None:
            raise self._axes.error("entry.run: none is given, and no axis goes through runs")
        if state == "adapted":
            if run not in self._plan.config.adaptation:
                raise self._axes.error(f"no adaptation is called {run!r}")
            return self._plan.adaptations.subjects(run, evaluation)
        if state == "aligned":
            if run not in self._plan.config.alignment:
                raise self._axes.error(f"no alignment is called {run!r}")
            return [self._plan.alignments.result(run)]
        if run not in self._plan.config.training:
            if run in self._plan.config.models:
                return [self._plan.start(run, self._plan.config.seed)]
            raise self._axes.error(f"no training run or start model is called {run!r}")
        return self._plan.trained(run) if state == "trained" else self._plan.starts(run)

    def is_planned(self, selection: Selection, *, optional: bool) -> bool:
        """Whether its cells are judged.

        Raises:
            InputError: they are not, and the entry is not ``optional``.
        """
        if optional and not self._planned.issuperset(selection.cells):
            return False
        check_planned(self._plan, self._paper, self._table, selection, self._planned)
        return True
