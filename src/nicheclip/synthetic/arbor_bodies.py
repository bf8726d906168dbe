"""The eleven body plans of the world `arbor`, in a body's own coordinates.

A body fills about [-1, 1] x [-1, 1]; y runs along its axis, to the head or the tip. Every call
draws an individual: legs, petals and lobes are never twice the same.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from nicheclip.synthetic import arbor_animals, arbor_plants
from nicheclip.synthetic.arbor_outlines import Part
from nicheclip.synthetic.arbor_traits import Plan, Traits


def body(traits: Traits, rng: np.random.Generator) -> list[Part]:
    """The parts of one individual, from the back to the front."""
    return _BODIES[traits.plan](traits, rng)


_BODIES: Mapping[Plan, Callable[[Traits, np.random.Generator], list[Part]]] = MappingProxyType(
    {
        "crawler": arbor_animals.crawler,
        "swimmer": arbor_animals.swimmer,
        "flyer": arbor_animals.flyer,
        "star": arbor_animals.star,
        "drifter": arbor_animals.drifter,
        "bloom": arbor_plants.bloom,
        "frond": arbor_plants.frond,
        "rosette": arbor_plants.rosette,
        "cap": arbor_plants.cap,
        "fan": arbor_plants.fan,
        "coral": arbor_plants.coral,
    }
)
