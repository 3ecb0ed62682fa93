"""The page's section on the same network in IBM's simulators."""

from typing import Any

__all__ = ["peers_section"]

NOISE = {
    "off": "none, in evaluation mode",
    "exported": "as `tilemodel export` gives it, of random operands",
    "layers": "of each layer's own weights and inputs, behind a gain and an offset a column",
    "layers_wires": "of each layer's own weights and inputs, IR drop alone, gains left in",
}
CONDITIONS = {
    "quantization": "8-bit inputs",
    "together": "all",
    "together_columns": "all, columns calibrated",
    "wires": "IR drop",
}


def peers_section(peers: dict[str, Any], n_test: int) -> str:
    """Of `results["peers"]`; a simulator that was not there is named."""
    return f"""## The same network in IBM's simulators

BERT as it is fine-tuned, on the {peers["tile"]} tile, with our input ranges. {peers["n_seed"]} draws of noise. Processor time of one thread.

{_lightning(peers)}

{_aihwkit(peers, n_test)}"""


def _lightning(peers: dict[str, Any]) -> str:
    rows = peers["lightning"]
    if isinstance(rows, dict):
        return f"aihwkit-lightning 2.1.0: not run ({rows['left_out']})."
    lines = "\n".join(
        f"| {NOISE[row['noise']]} | {_number(row['out_noise'])} / {_number(row['std_dev'])} "
        f"| {100 * row['score']:.1f}; {_points(row, '')} | {CONDITIONS[row['condition']]}: {100 * row['ours']:.1f} "
        f"| {_points(row, 'from_ours_')} | {row['cpu_second']:.0f} / {peers['cpu_second']:.0f} |"
        for row in rows
    )
    return f"""**aihwkit-lightning 2.1.0** has no wires: Gaussian noise on outputs (`out_noise`) and weights (`std_dev`; medians over layers) stands for the tile, in training mode only (dropout is 0). Accuracy
in %, less digital in points; less what the tile model gives, in points; seconds a pass over the test set, there and in the tile model with all switched on (digital: {rows[0]["digital_second"]:.0f}).

| noise | `out_noise` / `std_dev` | accuracy | tile model | less the tile model | seconds |
|---|---|---|---|---|---|
{lines}

- The first row must be the tile model's: inputs are quantized alike. The rows "all" of the tile model hold the oscillators too, which aihwkit-lightning lacks; the row "IR drop" is that and nothing else.
- Random operands are not a network's: their outputs are off by more, and so is the noise that is made of them.
- It divides `out_noise` by the root of a layer's number of tiles; own operands' is multiplied by it, and goes by each column's largest weight.
- Its noise is drawn anew for every output; what IR drop takes is the same each time and follows the inputs."""


def _aihwkit(peers: dict[str, Any], n_test: int) -> str:
    rows = peers["aihwkit"]
    if isinstance(rows, dict):
        return f"aihwkit 1.1.0: not run ({rows['left_out']})."
    n_product = peers["n_token"] * (peers["n_tile"] - 1) + n_test  # the head sees one vector a text
    lines = "\n".join(
        f"| {row['configuration']} | {100 * row['error_median']:.2g} ({100 * row['error_max']:.2g}) "
        f"| {100 * row['equal']:.2f} | {', '.join(f'{value:.4f}' for value in row['logits']['aihwkit'])} "
        f"| {row['cpu_second'] / row['n_product']:.2g} | {row['cpu_second'] / row['n_product'] * n_product / 3600:.0f} |"
        for row in rows
    )
    row = rows[-1]
    return f"""**aihwkit 1.1.0**, its IR-drop tile without read noise, in float32: the shortest test text ({row["n_token"]} tokens) through {peers["n_layer"]} of the encoder's layers and the head.
Outputs of each layer against `TileLinear`'s on the same inputs: rms of the difference in % of the rms of the outputs, median (largest) over layers; outputs of equal codes;
hours that the {n_test} test texts would take, by the time of a vector and tile ({peers["n_token"]} tokens, {peers["n_tile"] - 1} tiles and the head's).

| configuration | off by [%] | equal [%] | logits | s a vector and tile | test set [h] |
|---|---|---|---|---|---|
{lines}

- `TileLinear`'s logits: {", ".join(f"{value:.4f}" for value in row["logits"]["ours"])}; digital: {", ".join(f"{value:.4f}" for value in row["logits"]["digital"])}, whose layers are off by {100 * row["ideal_error_median"]:.0f} % (median).
- 8 segments: aihwkit's own default of segments and its trapezoid, on the tile's wires; exported: `make_rpu_config()`. Both with columns scaled and the clamps' offset subtracted, inputs in the middle of the tile's rows. aihwkit keeps its weights in float32, which is the likely cause of the codes that differ in the exported one.
- The tile model took {peers["quiet_second"]:.0f} s for the test set without read noise: {_ratio(peers, rows, n_product)}."""


def _ratio(peers: dict[str, Any], rows: list[dict[str, Any]], n_product: int) -> str:
    ours = peers["quiet_second"]
    return ", ".join(
        f"{float(format(row['cpu_second'] / row['n_product'] * n_product / ours, '.2g')):,.0f} times faster than {row['configuration']}"
        for row in rows
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def _points(row: dict[str, Any], prefix: str) -> str:
    value, low, high = (100 * row[f"{prefix}{key}"] for key in ("difference", "low", "high"))
    mark = "*" if low > 0 or high < 0 else ""
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f}){mark}"
