"""How images and texts go through a model; needs no torch."""

from dataclasses import dataclass
from importlib.metadata import version

#: whose versions may change the last digits of features
PACKAGES = ("numpy", "open_clip_torch", "pillow", "torch", "torchvision")


@dataclass(frozen=True)
class EncodeSettings:
    """Handed through to whatever encodes."""

    batch_size: int
    """Images or texts that go through the model at once."""
    device: str = "cpu"
    """``cpu``, ``cuda``, ..."""
    threads: int = 1
    """That decode images while the model works on the batch before; they change no feature."""
    precision: str = "float32"
    """That the towers compute in; ``bfloat16`` and ``float16`` are mixed. Features are float32."""

    @property
    def facts(self) -> dict[str, int | str]:
        """What features follow from, for a manifest."""
        return {"batch_size": self.batch_size, "device": self.device, "precision": self.precision}


def library_versions() -> tuple[str, ...]:
    """Name and version of each of ``PACKAGES``."""
    return tuple(f"{name} {version(name)}" for name in PACKAGES)
