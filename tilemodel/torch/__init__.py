"""Networks through the tile, in PyTorch: linear layers that multiply as a tile does, and train through it.

An optional part: `import tilemodel` never imports it. Derivations and limits: docs/torch.md.

>>> from tilemodel.torch import calibrate_ranges, convert
>>> analog = convert(network, tilemodel.load_tile("examples/ibm_pair_512x512.toml"))
>>> calibrate_ranges(analog, batches)
"""

from importlib.util import find_spec

from tilemodel.config.errors import MissingPackageError

if find_spec("torch") is None:
    raise MissingPackageError("tilemodel.torch needs PyTorch; install it with `pip install 'tilemodel[torch]'`")

from tilemodel.torch.columns import calibrate_columns
from tilemodel.torch.conversion import calibrate_ranges, convert, tile_layers
from tilemodel.torch.evaluation import Task, evaluate, is_right
from tilemodel.torch.remedies import order_rows, scale_against_ir_drop
from tilemodel.torch.tile_linear import TileLinear

__all__ = [
    "Task",
    "TileLinear",
    "calibrate_columns",
    "calibrate_ranges",
    "convert",
    "evaluate",
    "is_right",
    "order_rows",
    "scale_against_ir_drop",
    "tile_layers",
]
