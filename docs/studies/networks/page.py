"""The study's page and its figure."""

from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from docs.studies.networks.page_answers import answers
from docs.studies.networks.page_peers import peers_section
from docs.studies.networks.page_rows import ARMS, LABELS, cell, hardest, networks_of, trained_row
from reports.style import BLUE, GREY, LIGHT_BLUE, STYLE, svg_text

__all__ = ["draw", "page"]

COLOURS = {"plain": GREY, "gaussian": LIGHT_BLUE, "tile": BLUE}
SHOWN = ("adc", "read_noise", "wires", "together", "together_columns")


def draw(results: dict[str, Any]) -> str:
    """SVG text: what each way of training leaves of the loss on the hardest tile, a panel a network."""
    tile = hardest(results)
    networks = networks_of(results["trained"])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 3.0), layout="constrained")
        panels = figure.subplots(1, len(networks), sharey=True, squeeze=False)[0]
        for axes, network in zip(panels, networks, strict=True):
            for number, arm in enumerate(ARMS):
                rows = [trained_row(results, network, tile, arm, name) for name in SHOWN]
                places = [index + 0.27 * (number - 1) for index in range(len(SHOWN))]
                values = [100 * row["difference"] for row in rows]
                errors = [
                    [100 * (row["difference"] - row["low"]) for row in rows],
                    [100 * (row["high"] - row["difference"]) for row in rows],
                ]
                axes.bar(
                    places,
                    values,
                    0.25,
                    color=COLOURS[arm],
                    label=f"trained {ARMS[arm]}",
                    edgecolor="black",
                    linewidth=0.4,
                )
                axes.errorbar(places, values, errors, fmt="none", color="black", elinewidth=0.8, capsize=2)
            axes.axhline(0.0, color="black", linewidth=0.8)
            names = [LABELS[name].replace(", ", ",\n").replace(" ", "\n") for name in SHOWN]
            axes.set_xticks(range(len(SHOWN)), names)
            axes.grid(visible=False, axis="x")
            axes.set_axisbelow(True)
            axes.text(0.02, 0.04, network, transform=axes.transAxes, fontweight="bold")
        panels[0].set_ylabel("accuracy, less plain digital [points]")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=3)
        return svg_text(figure)


def page(results: dict[str, Any]) -> str:
    """The README."""
    return (
        "\n\n".join(
            [
                "# BERT and ALBERT through the tile, and training that knows it",
                answers(results),
                _setting(results),
                _untrained(results),
                *([_narrow(results)] if results["narrow"] else []),
                _trained_tables(results),
                *([peers_section(results["peers"], results["n_test"])] if "peers" in results else []),
                _tail(results),
            ]
        )
        + "\n"
    )


def _setting(results: dict[str, Any]) -> str:
    tiles = "\n".join(
        f"| {name} | {values['r_bit_line_ohm']:g} | {62.4 / values['slower']:g} | {values['noisier']:g} "
        f"| {results['n_draw'][name]} | {results['n_run'][name]} |"
        for name, values in results["tiles"].items()
    )
    return f"""## What was run

Written by `make study` (docs/studies/networks/study.py). Every linear layer runs on IBM's pair of lines (512 x 512, 25 uS, 8-bit pulse widths, clamps 0.5 mV off, published read noise, no
programming noise), each column of each tile scaled by its largest weight, input ranges calibrated on 200 training texts. {results["n_test"]} test texts. Differences are paired by example and
seed; intervals hold 95 % (`tilemodel/paired.py`).

| tile | bit line [ohm a cell] | oscillator [MHz/uA] | sigma of a read, times the published | draws of noise without training | runs of each training, with a draw each |
|---|---|---|---|---|---|
{tiles}

Of one draw or run, and of the cheap remedies, which have one draw, intervals speak of the examples alone.

- BERT: MiniLM (6 layers, 384 wide), fine-tuned for {results["n_epoch"]} epochs on UCI sentences. ALBERT: one shared layer passed four times, started from MiniLM, trained alike.
- Frozen MiniLM with a logistic head, on whether people rate a snippet of a movie review above 0. The head saw 4000 training texts, or, fitted again on the tile, 1000."""


def _untrained(results: dict[str, Any]) -> str:
    parts = ["## Without training\n\nAccuracy in %, and what is lost against digital in points with its interval."]
    for network in networks_of(results["untrained"]):
        rows = [row for row in results["untrained"] if row["network"] == network]
        tiles = [name for name in results["tiles"] if any(row["tile"] == name for row in rows)]
        names = [name for name in LABELS if any(row["condition"] == name for row in rows)]
        table = [f"| {network} | " + " | ".join(tiles) + " |", "|---" * (len(tiles) + 1) + "|"]
        for name in names:
            found = {row["tile"]: cell(row) for row in rows if row["condition"] == name}
            cells = [found.get(tile, "") for tile in tiles]
            table.append(f"| {LABELS[name]} | " + " | ".join(cells) + " |")
        parts.append("\n".join(table))
    return "\n\n".join(parts)


def _narrow(results: dict[str, Any]) -> str:
    """The same with input ranges that clip more."""
    wide, narrow = results["clipped_fraction"]
    networks, tile = networks_of(results["narrow"]), hardest(results)
    lines = [
        f"| {tile} | "
        + " | ".join(f"{network}, {part:g} left out" for network in networks for part in (wide, narrow))
        + " |"
    ]
    lines.append("|---" * (2 * len(networks) + 1) + "|")
    for name in dict.fromkeys(row["condition"] for row in results["narrow"]):
        cells = [
            cell(
                next(
                    row for row in rows if {"network": network, "tile": tile, "condition": name}.items() <= row.items()
                )
            )
            for network in networks
            for rows in (results["untrained"], results["narrow"])
        ]
        lines.append(f"| {LABELS[name]} | " + " | ".join(cells) + " |")
    table = "\n".join(lines)
    return f"""## Input ranges

A layer's range leaves out {wide:g} of the inputs of a calibration batch, the largest over batches of like length. Ranges that leave out {narrow:g} clip more of them; what is left has finer ticks and
larger outputs, of which a step of the converters is less. One draw of noise for {narrow:g}.

{table}"""


def _trained_tables(results: dict[str, Any]) -> str:
    training = results["training"]
    parts = [
        f"""## With {training["n_epoch"]} more epoch

Each way starts from the same fine-tuned network and takes as many steps (learning rate {training["learning_rate"]:g}). Gaussian: {training["weight_noise"]:g} of a column's largest weight on every weight and {training["output_noise"]:g} on
outputs, where inputs and weights are 1 at most; inputs quantized. Through the tile: ticks, IR drop, read noise and converters of that tile, with their gradients. Accuracy in %, and
its difference to the digital score of plain training."""
    ]
    for network in networks_of(results["trained"]):
        for tile in results["tiles"]:
            rows = [row for row in results["trained"] if row["network"] == network and row["tile"] == tile]
            if not rows:
                continue
            names = [name for name in LABELS if any(row["condition"] == name for row in rows)]
            table = [f"| {network}, {tile} | " + " | ".join(ARMS.values()) + " |", "|---" * (len(ARMS) + 1) + "|"]
            for name in names:
                cells = [cell(trained_row(results, network, tile, arm, name)) for arm in ARMS]
                table.append(f"| {LABELS[name]} | " + " | ".join(cells) + " |")
            parts.append("\n".join(table))
    return "\n\n".join(parts)


def _tail(results: dict[str, Any]) -> str:
    packages = "\n".join(f"- {name}: sha256 {digest}" for name, digest in results["packages"].items())
    return f"""## Limits

- The tiles are models held against ngspice elsewhere ([reference tile](../reference_tile/README.md)); no network of this size was run in a circuit simulator.
- One digital network of each kind is the start of all; seeds draw the order of texts, the noise of training and of reads. Tests of many rows at 95 % find one in twenty by chance.
- Gaussian noise had one strength (aihwkit's preset) and all ways of training one learning rate; neither was tuned.
- Evaluation finds input ranges anew, with quantized inputs and nothing else. Training through the tile, and the head fitted again on it, had ranges found on the tile: they meet others when they are judged.
- Two or three runs tell little of how runs differ: where they differ more than examples do, intervals hold less than 95 % ([evaluation](../../evaluation.md)).
- Weights and texts come from their packages, pinned by hash, and are not part of this project; test texts that also stand in train were taken from train.

{packages}"""
