"""Write the JSON schema of the compact model's present version from the code; older ones stay as they were."""

import json
from pathlib import Path

from tilemodel.compact import SCHEMA_VERSION, compact_schema

FOLDER = Path(__file__).parents[1] / "tilemodel" / "schemas"

if __name__ == "__main__":
    path = FOLDER / f"{SCHEMA_VERSION.removeprefix('tilemodel-')}.json"
    path.write_text(json.dumps(compact_schema(), indent=1) + "\n")
    print(path)
