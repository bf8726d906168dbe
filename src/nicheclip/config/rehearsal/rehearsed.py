"""The rehearsal of a config.

A config's plain values become those of its rehearsal before they are parsed; from then on the
workflow knows nothing of it. Every rule runs that the config would run, for nothing is skipped but
data sets that are used just like others (``alike``); what shrinks is the work within a job.
"""

from collections.abc import Mapping
from pathlib import Path

from nicheclip.config.rehearsal.alike import leave_out, used_like_others
from nicheclip.config.rehearsal.datasets import images_needed, is_stand_in, rehearsed_dataset
from nicheclip.config.rehearsal.options import RehearsalConfig, Values, section
from nicheclip.config.rehearsal.runs import (
    rehearsed_adaptation,
    rehearsed_alignment,
    rehearsed_evaluation,
    rehearsed_model,
    rehearsed_pretraining,
    rehearsed_training,
)
from nicheclip.config.rehearsal.texts import rehearsed_captions, rehearsed_task


def rehearsed(values: Values, registry: Path) -> Values:
    """The rehearsal of a valid config without grids, as plain values; ``values`` stay as they are.

    Args:
        values: of the config; `rehearsal` is a mapping, or the number of images.
        registry: `workflow/registry`.
    """
    chosen = values["rehearsal"]
    options = RehearsalConfig.model_validate(
        chosen if isinstance(chosen, Mapping) else {"images": chosen}
    )
    if options.alike is not None:
        values = leave_out(used_like_others(values, options.alike), values)
    # what is left is rehearsed as it is: the report reads these values again
    settled = {**options.model_dump(), "alike": None}
    made = {**values, "rehearsal": settled, "scale": "rehearsal"}
    made |= {"encoding": {"batch_size": 32}, "scratch": None, "leaderboard": {}}
    made["taxonomy"] = {**(values.get("taxonomy") or {}), "providers": []}
    made["datasets"] = {
        name: rehearsed_dataset(name, one, images_needed(name, values, options), options, registry)
        for name, one in values["datasets"].items()
    }
    stand_ins = {name for name, one in made["datasets"].items() if is_stand_in(one)}
    made["captions"] = {
        name: rehearsed_captions(one, stand_ins, options)
        for name, one in section(values, "captions")
    }
    made["models"] = {name: rehearsed_model(one) for name, one in section(values, "models")}
    made["training"] = {name: rehearsed_training(one) for name, one in section(values, "training")}
    made["pretraining"] = {
        name: rehearsed_pretraining(one) for name, one in section(values, "pretraining")
    }
    made["alignment"] = {
        name: rehearsed_alignment(one, made["pretraining"])
        for name, one in section(values, "alignment")
    }
    made["evaluation"] = {
        name: rehearsed_evaluation(one, stand_ins) for name, one in section(values, "evaluation")
    }
    made["tasks"] = {
        name: rehearsed_task(one, stand_ins, made["captions"], options)
        for name, one in section(values, "tasks")
    }
    made["adaptation"] = {
        name: rehearsed_adaptation(one, made) for name, one in section(values, "adaptation")
    }
    return made
