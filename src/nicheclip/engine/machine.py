"""How long a run takes, and on what machine."""

import platform
import time
from typing import Any

import torch

from nicheclip.runtime.manifest import package_versions
from nicheclip.runtime.memory import peak_resident


class RunTime:
    """Seconds in steps, over all attempts; what lies between epochs and checkpoints left out."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.resumed_at: list[int] = []
        """The steps at which attempts resumed."""
        self._mark = 0.0
        self._logged = (0.0, 0)

    def start(self, samples: int) -> None:
        """An attempt begins, after so many samples."""
        self._logged = (self.seconds, samples)
        self.resume()

    def resume(self) -> None:
        """The next step begins."""
        self._mark = time.monotonic()

    def step_done(self) -> None:
        """The step that began is done."""
        self.seconds += time.monotonic() - self._mark

    def rate(self, samples: int) -> float:
        """Samples per second since the last call, of which ``samples`` have been seen in all."""
        seconds, seen = self.seconds - self._logged[0], samples - self._logged[1]
        self._logged = (self.seconds, samples)
        return seen / seconds

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"seconds": self.seconds, "resumed_at": self.resumed_at}

    def load_state_dict(self, state: dict[str, Any], *, resumed_at: int) -> None:
        """Go on from a checkpoint of step ``resumed_at``."""
        self.seconds, self.resumed_at = state["seconds"], [*state["resumed_at"], resumed_at]


def machine_facts(device: torch.device) -> dict[str, Any]:
    """The fields of ``RunReport`` that tell of the machine."""
    return {
        "device": _device_name(device),
        "threads": torch.get_num_threads(),
        "peak_memory_bytes": peak_memory(device),
        "packages": package_versions(),
        "python": platform.python_version(),
    }


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()})"


def peak_memory(device: torch.device) -> int:
    """Bytes that this process had at most: allocated on the GPU, or resident on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return peak_resident()
