"""Config of start models."""

from pathlib import Path

from nicheclip.config.base import ConfigModel
from nicheclip.runtime.paths import expand_path


class ModelConfig(ConfigModel):
    """A CLIP to start from."""

    architecture: str
    """An open_clip model name, or the name of a file in `workflow/registry/models/`."""
    pretrained: str | None = None
    """An open_clip tag (`openai`, ...), the path of a checkpoint, or null: random from the seed.
    Tags trained with QuickGELU get it, whatever the architecture's name says."""

    def weights_file(self) -> Path | None:
        """The checkpoint, where ``pretrained`` is the path of a file that is there."""
        path = expand_path(self.pretrained) if self.pretrained else None
        return path if path and path.is_file() else None
