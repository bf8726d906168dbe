"""Classes, a good caption, and why the gates reject another."""

from nicheclip.captions.gates import Subject, judge
from nicheclip.captions.mentions import ClassNames
from nicheclip.captions.reasons import identifier
from nicheclip.config.captions import GateConfig

NAMES = ClassNames(
    {
        "spore": ["spore", "fungal spores"],
        "hyphae": ["hyphae", "fungal hyphae"],
        "mycelium": ["mycelium", "fungal mycelium"],
    }
)


GOOD = "Golden spores lie scattered over a plain white ground."


def reasons(raw, *, prompt="", done_reason="stop", class_id="spore", **gates):
    judgement = judge(raw, Subject(class_id, prompt, done_reason), NAMES, GateConfig(**gates))
    return [identifier(reason) for reason in judgement.reasons]
