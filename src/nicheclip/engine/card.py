"""What is measured of a run on GPUs alone: the share of their speed that it uses, and energy."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Literal

import torch
from torch.utils.flop_counter import FlopCounterMode

from nicheclip.config.compute import Precision
from nicheclip.engine.processes import Processes

#: teraflops of dense matrix products by the makers' data sheets: in bfloat16 or float16 with sums
#: in float32, and in float32 without tensor cores. Part of the card's name; the first that fits.
PEAKS: dict[str, tuple[float, float]] = {
    "H200": (989.4, 67.0),
    "GH200": (989.4, 67.0),
    "H100 PCIe": (756.0, 51.2),
    "H100 NVL": (835.0, 60.0),
    "H100": (989.4, 67.0),
    "A100": (312.0, 19.5),
    "L40S": (362.0, 91.6),
    "L4": (121.0, 30.3),
    "A40": (149.7, 37.4),
    "A30": (165.0, 10.3),
    "A10G": (70.0, 35.0),
    "RTX A6000": (154.8, 38.7),
    "V100-SXM2": (125.0, 15.7),
    "V100-PCIE": (112.0, 14.0),
    "T4": (65.0, 8.1),
}


def peak_flops(name: str, precision: Precision) -> float | None:
    """Operations a second of the card called ``name``; None where they are not known."""
    words = f" {name} ".replace("-", " ")
    for card, (half, single) in PEAKS.items():
        if f" {card.replace('-', ' ')} " in words:
            return 1e12 * (single if precision == "32-true" else half)
    return None


def joules(device: torch.device) -> float | None:
    """Energy that a GPU has taken since its driver started.

    None where ``pynvml`` (package ``nvidia-ml-py``) is missing or the driver does not tell.
    """
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
        uuid = str(torch.cuda.get_device_properties(device).uuid)
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid if "GPU-" in uuid else f"GPU-{uuid}")
        return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
    except nvml.NVMLError:
        return None


class Card:
    """Counts operations in the first step of a run, and energy over all attempts.

    On a CPU it counts nothing.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes, self._device = processes, processes.device
        self._counts = {"forward": 0, "backward": 0}
        self._flops: float | None = None
        self._before = 0.0
        self._start = self._now()

    def _now(self) -> float:
        found = joules(self._device) if self._device.type == "cuda" else None
        return math.nan if found is None else found

    @contextmanager
    def counting(self, part: Literal["forward", "backward"]) -> Iterator[None]:
        """Count what runs within it, uncompiled, unless a step has been counted."""
        if self._device.type != "cuda" or self._flops is not None:
            yield
            return
        with torch.compiler.set_stance("force_eager"), FlopCounterMode(display=False) as counter:
            yield
        self._counts[part] = counter.get_total_flops()

    def step_done(self, samples: int) -> None:
        """A step of this process with so many samples is done.

        A pass back costs at most two forward passes; what is computed again to save memory is none
        of the model's operations.
        """
        if self._device.type == "cuda" and self._flops is None and samples:
            forward, back = self._counts["forward"], self._counts["backward"]
            self._flops = (forward + min(back, 2 * forward)) / samples

    def energy(self) -> float | None:
        """Joules of all processes over all attempts; all must ask."""
        if self._device.type != "cuda":
            return None
        own = torch.tensor(self._now() - self._start, dtype=torch.float64)
        found = self._before + float(self._processes.sum(self._processes.to_device(own)))
        return None if math.isnan(found) else found

    def facts(self, rate: float, precision: Precision) -> dict[str, Any]:
        """Fields of ``RunReport``, at so many samples a second of all processes; all must ask."""
        energy = self.energy()
        if self._flops is None:
            return {}
        name = torch.cuda.get_device_name(self._device)
        peak = peak_flops(name, precision)
        used = self._flops * rate / self._processes.world
        return {
            "flops_per_sample": self._flops,
            "utilisation": round(used / peak, 4) if peak else None,
            "energy_joules": round(energy, 1) if energy is not None else None,
        }

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint; all processes must ask."""
        return {"flops": self._flops, "energy": self.energy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint; one without these figures leaves the energy unknown."""
        self._flops = state.get("flops")
        energy = state.get("energy")
        self._before = math.nan if energy is None else energy
