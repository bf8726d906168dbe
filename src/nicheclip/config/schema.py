"""The config's JSON schema, for editors: ``python -m nicheclip.config.schema FILE`` writes it."""

import json
import sys

from nicheclip.config.workflow import Config
from nicheclip.runtime.files import write_text


def schema_text() -> str:
    """The JSON schema of ``config.yaml`` with defaults and descriptions."""
    return json.dumps(Config.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write_text(sys.argv[1], schema_text())
