"""Adapt a model without labels: a method that trains, from images and texts to a model folder."""

from importlib import import_module
from pathlib import Path

from nicheclip.adaptation.each_epoch import keep_states
from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.config.adaptation import Trained
from nicheclip.config.compute import ComputeConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.engine import engine
from nicheclip.engine.objective import Objective
from nicheclip.engine.records import RunReport
from nicheclip.engine.settings import RunSettings


def fit(
    options: Trained,
    *,
    start: Path,
    images: ImageSet,
    texts: TaskTexts,
    seed: int,
    output: Path,
    run_folder: Path,
    compute: ComputeConfig | None = None,
    code: str = "",
    stop_at: float | None = None,
    each_epoch: Path | None = None,
) -> RunReport:
    """Adapt the model in ``start`` to ``images``, in this process.

    Labels are no argument, and an ``ImageSet`` has none. What comes out is the last epoch's.

    Args:
        options: of the method.
        start: model folder.
        images: of the target.
        texts: of the classes, by the start model.
        seed: of order, views and new weights.
        output: receives a model folder with ``classifier.safetensors``, ``train.json`` and
            ``history.csv``.
        run_folder: see ``engine.run``.
        compute: with what; on the CPU where None.
        code: see ``engine.run``.
        stop_at: see ``engine.run``.
        each_epoch: receives the state after every epoch: see ``each_epoch.keep_states``.

    Raises:
        as ``engine.run`` and ``AdaptationObjective``.
    """

    def make() -> Objective:
        """The objective of the method, by name: a change of one makes no other stale."""
        module = import_module(f"nicheclip.adaptation.trained.{options.kind}")
        objective: Objective = module.OBJECTIVE(
            options, start=start, images=images, texts=texts, seed=seed
        )
        return objective

    settings = RunSettings(
        epochs=options.epochs,
        batch_size=options.batch_size,
        seed=seed,
        optimizer=options.optimizer,
        schedule=options.schedule,
        compute=compute or ComputeConfig(),
        determines=options.determines() | ({"best_epoch": True} if each_epoch else {}),
        precision=options.precision,
        pieces=options.accumulation,
    )
    return engine.run(
        settings,
        make,
        run_folder=run_folder,
        output=output,
        code=code,
        stop_at=stop_at,
        after_epoch=keep_states(each_epoch) if each_epoch else None,
    )
