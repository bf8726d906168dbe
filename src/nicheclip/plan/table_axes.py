"""The rows of a table: each combination of its axes' values, and what their entries measure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nicheclip.config.evaluation import EvaluationConfig, TemplateTexts
from nicheclip.config.explain import suggestion
from nicheclip.config.papers import PaperConfig
from nicheclip.config.tables import EACH, Axis, AxisValue
from nicheclip.plan.plan import Plan
from nicheclip.plan.words import TEXT_TYPES, in_words
from nicheclip.runtime.errors import InputError
from nicheclip.subjects import STATES
from nicheclip.terms import RANKS

Keys = Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """What the axes have settled of a row or column."""

    keys: Keys
    """Of ``EntryKeys``."""
    words: Mapping[str, str]
    """What texts may show, by name."""
    arms: Mapping[str, Keys]
    """``first`` and ``second``: the keys of a comparison's sides."""

    def joined(self, keys: Keys, words: Mapping[str, str], arms: Mapping[str, Keys]) -> "Setting":
        """The same, with more; what is given here wins."""
        return Setting({**self.keys, **keys}, {**self.words, **words}, {**self.arms, **arms})


class Axes:
    """Works out the axes of one table."""

    def __init__(self, plan: Plan, paper: str, place: str) -> None:
        """Of ``papers.<paper>``; ``place``, the table's file, is named in errors."""
        self._plan = plan
        self._paper: PaperConfig = getattr(plan.config.papers, paper)
        self._name = paper
        self._place = place

    def product(self, axes: Sequence[Axis], start: Setting) -> list[Setting]:
        """Each combination of the axes' values, the last axis fastest."""
        settings = [start]
        for axis in axes:
            settings = [more for setting in settings for more in self.along(axis, setting)]
        return settings

    def along(self, axis: Axis, setting: Setting) -> Iterator[Setting]:
        """``setting`` with each value of ``axis``."""
        for value in axis.values:
            changes = value.given()
            if value.value != EACH:
                given = [(str(value.value), value.value)]
            else:
                given = self._all_of(axis, setting.joined(changes, {}, {}))
            for label, one in given:
                yield self._with_value(axis, value, label, one, setting)

    def resolved(self, value: Any, setting: Setting) -> Any:
        """``value``, or what ``$key`` (of the paper) or ``$row.word`` (of the row) stands for."""
        if not isinstance(value, str) or not value.startswith("$"):
            return value
        name = value[1:]
        if name.startswith("row."):
            name = name.removeprefix("row.")
            return self._found(value, name, setting.words)
        return self._found(value, name, self._paper.settings())

    def paper_words(self) -> dict[str, str]:
        """The paper's single settings, as titles and notes may show them."""
        settings = self._paper.settings().items()
        return {key: in_words(key, one) for key, one in settings if isinstance(one, str)}

    def task(self, setting: Setting) -> EvaluationConfig:
        """The evaluation that judges."""
        name = self.resolved(setting.keys.get("evaluation"), setting)
        tasks = self._plan.judged
        if name is None:
            raise self.error("entry.evaluation: none is given")
        if name not in tasks:
            raise self.error(f"no evaluation is called {name!r}{suggestion(name, tasks)}")
        return tasks[name]

    def dataset(self, setting: Setting) -> str:
        """The data set that is judged."""
        task = self.task(setting)
        name: str | None = self.resolved(setting.keys.get("dataset"), setting)
        if name is None and len(task.datasets) > 1:
            raise self.error(
                f"the evaluation has the data sets {', '.join(task.datasets)}; add an axis dataset "
                "or the key entry.dataset"
            )
        return name or task.datasets[0]

    def error(self, text: str) -> InputError:
        """An error of this table."""
        return InputError(f"{self._place}: {text}.")

    def _found(self, reference: str, name: str, known: Mapping[str, Any]) -> Any:
        if name not in known:
            section = "the row" if reference.startswith("$row.") else f"papers.{self._name}"
            raise self.error(f"{reference}: {section} has no key {name!r}{suggestion(name, known)}")
        return known[name]

    def _all_of(self, axis: Axis, setting: Setting) -> list[tuple[str, Any]]:
        """(label, value) of everything that ``each`` means."""
        if axis.of:
            found = self.resolved(axis.of, setting)
            if isinstance(found, dict):
                return list(found.items())
            return [(str(one), one) for one in ([found] if isinstance(found, str) else found)]
        names: Sequence[Any]
        if axis.axis == "run":
            evaluation = self.resolved(setting.keys.get("evaluation"), setting)
            names = self._plan.runs(evaluation, self.dataset(setting))
        elif axis.axis == "dataset":
            names = self.task(setting).datasets
        elif axis.axis == "text_type":
            names = self.task(setting).text_types
        elif axis.axis == "shots":
            names = self.task(setting).shots
        elif axis.axis == "rank":
            names = RANKS
        elif axis.axis == "state":
            names = list(STATES)
        else:
            raise self.error(f"the axis {axis.axis} needs of or values")
        return [(str(name), name) for name in names]

    def _with_value(
        self, axis: Axis, value: AxisValue, label: str, one: Any, setting: Setting
    ) -> Setting:
        if axis.axis == "comparison":
            return self._compared(axis, one, setting)
        shown = label if axis.axis == "run" else one
        word = value.label or in_words("text_type" if axis.labels else axis.axis, shown)
        words: dict[str, str] = {axis.axis: word}
        keys: dict[str, Any] = {axis.axis: one}
        if axis.axis in ("evaluation", "dataset"):
            words |= self.evaluation_words(setting.joined(keys, {}, {}))
        elif axis.axis == "run" and axis.labels and label in TEXT_TYPES and label != "mixed":
            keys["text_type"] = label
        return setting.joined({**keys, **value.given()}, words, {})

    def evaluation_words(self, setting: Setting) -> dict[str, str]:
        """Which classes, the text type of their names, and the data set, if it is one, as the
        registry calls it.
        """
        task = self.task(setting)
        words: dict[str, str] = {"classes": task.classes}
        if isinstance(task.class_texts, TemplateTexts):
            words["text_type"] = in_words("text_type", task.class_texts.name)
        if len(task.datasets) == 1 or "dataset" in setting.keys:
            dataset = self.dataset(setting)
            source = self._plan.config.datasets[dataset].source
            words["dataset"] = source.known_as(self._plan.registry / "datasets", dataset)
        return words

    def _compared(self, axis: Axis, pair: Sequence[str], setting: Setting) -> Setting:
        runs = self.resolved(axis.among, setting)
        arms, labels = {}, []
        for side, label in zip(("first", "second"), pair, strict=True):
            only = Axis(axis="run", values=[AxisValue(value=label)], labels=axis.labels)
            one = next(self.along(only, setting))
            arms[side] = {**one.keys, "run": runs[label]}
            labels.append(one.words["run"])
        return setting.joined({}, {"comparison": " vs. ".join(labels)}, arms)
