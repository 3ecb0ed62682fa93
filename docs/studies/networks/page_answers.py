"""The page's answers: sentences that follow from the results, whatever these are.

An effect shows where its interval leaves 0 out. Nothing is said of what does not show but that it does not.
"""

from collections.abc import Iterator
from typing import Any

from docs.studies.networks.page_rows import (
    ARMS,
    LABELS,
    Row,
    gain,
    hardest,
    listed,
    loss,
    networks_of,
    trained_row,
)

__all__ = ["answers"]

ALONE = ("adc", "read_noise", "wires")
GAINED = (*ALONE, "together")
TAKES = {"adc": "ADC takes", "read_noise": "read noise takes", "wires": "IR drop takes", "together": "all take"}
REMEDIES = {
    "together_compensated": "IR drop compensated at programming",
    "together_columns": "a gain and an offset a column calibrated",
    "together_corrected": "inputs and columns scaled by what the model says",
    "together_split": "bit lines of half the rows",
    "together_ordered": "the largest rows next to the read-out",
    "together_head": "the head fitted again",
}


def answers(results: dict[str, Any]) -> str:
    """The section: each question with its answer, then the figures that it follows from."""
    trained = {row["tile"] for row in results["trained"]}
    tables = [_taken_back(results, tile) for tile in reversed(results["tiles"]) if tile in trained]
    tile = hardest(results)
    values = results["tiles"][tile]
    return "\n\n".join(
        [
            f"""## Answers

On the {tile} tile (bit lines of {values["r_bit_line_ohm"]:g} ohm a cell, oscillators {values["slower"]:g} times slower and reads {values["noisier"]:g} times noisier than IBM's), in points of accuracy.
An effect shows (*) where its 95 % interval leaves 0 out; one that does not show may still be there. Back: the score above that of the same network trained on plainly for as many steps.
Left: the difference from the digital score, after training from that of plain training. Two classes: chance is 50 %.""",
            _of_gaussian_noise(results),
            _of_the_tile(results),
            _of_no_training(results),
            f"![What is left on the {tile} tile, by way of training](networks.svg)",
            "What each non-ideality takes after plain training, less the digital score, and what another way of training gives back of it. A network trained through the tile is made for all together;\n"
            "a part alone is another tile, which may cost it more than it costs others.",
            *tables,
        ]
    )


def _of_gaussian_noise(results: dict[str, Any]) -> str:
    found = []
    for network in networks_of(results["trained"]):
        plain, noisy = (_by_condition(results, network, arm) for arm in ("plain", "gaussian"))
        figures = "; ".join(_given_back(name, plain[name], noisy[name]) for name in GAINED)
        found.append(f"- {network}: **{_prepares(plain, noisy)}**. {figures}.")
    return "\n".join(
        ["### Does training with Gaussian noise prepare for ADC and read noise but not for IR drop?\n", *found]
    )


def _prepares(plain: dict[str, Row], noisy: dict[str, Row]) -> str:
    """The verdict on one network: for what, of all that loses anything, Gaussian noise prepares."""
    lost = [name for name in ALONE if plain[name]["high"] < 0]
    helped = [name for name in lost if noisy[name]["over_plain_low"] > 0]
    others = [name for name in lost if name != "wires"]
    if "wires" not in lost:
        return "no answer, as IR drop takes nothing that shows"
    if not others:
        return "no answer, as ADC and read noise take nothing that shows"
    if not helped:
        return f"no, nothing comes back that shows, of {listed(LABELS[name] for name in lost)}"
    if helped == others:
        return f"yes, what comes back shows for {listed(LABELS[name] for name in helped)}, not for IR drop"
    shown = listed(LABELS[name] for name in helped) + (" alone" if len(helped) < len(lost) else "")
    return f"{'no' if 'wires' in helped else 'in part'}, what comes back shows for {shown}"


def _given_back(name: str, plain: Row, other: Row) -> str:
    """What one non-ideality takes, and what comes back of it."""
    if plain["high"] >= 0:
        return f"{TAKES[name]} nothing that shows"
    share = 100 * other["over_plain_difference"] / -plain["difference"]
    shown = f" ({share:.0f} %)" if other["over_plain_low"] > 0 else ""
    return f"{TAKES[name]} {-100 * plain['difference']:.1f}: back {gain(other)}{shown}"


def _of_the_tile(results: dict[str, Any]) -> str:
    found = []
    for network in networks_of(results["trained"]):
        plain, knowing = (_by_condition(results, network, arm) for arm in ("plain", "tile"))
        wires, together = (_recovers(plain[name], knowing[name]) for name in ("wires", "together"))
        figures = "; ".join(
            f"{_given_back(name, plain[name], knowing[name])}, left {loss(knowing[name])}"
            for name in ("wires", "together")
        )
        found.append(
            f"- {network}: **IR drop alone, {wires}; all together, on which it was trained, {together}**. {figures}. "
            f"Without a tile it is at {loss(knowing['digital'])}. "
            f"Columns calibrated on top of it: left {loss(knowing['together_columns'])}; "
            f"on top of plain training: {loss(plain['together_columns'])}."
        )
    question = "### Does training through the tile give back what IR drop takes?\n"
    return "\n".join([question, *found, *_milder(results)])


def _recovers(plain: Row, knowing: Row) -> str:
    """The verdict on one network and condition."""
    if plain["high"] >= 0:
        return "no answer, as nothing is lost that shows"
    if knowing["over_plain_low"] <= 0:
        return "no, still more is lost" if knowing["over_plain_high"] < 0 else "no, nothing comes back that shows"
    return "in part" if knowing["high"] < 0 else "yes, no loss shows any more"


def _milder(results: dict[str, Any]) -> Iterator[str]:
    """Of other tiles, what shows."""
    for tile in results["tiles"]:
        if tile == hardest(results) or all(row["tile"] != tile for row in results["trained"]):
            continue
        found = []
        for network in networks_of(results["trained"]):
            lost = trained_row(results, network, tile, "plain", "wires")
            if lost["high"] < 0:
                back = listed(
                    f"{gain(trained_row(results, network, tile, arm, 'wires'))} {ARMS[arm]}"
                    for arm in ("gaussian", "tile")
                )
                found.append(f"{network} loses {-100 * lost['difference']:.1f}, back {back}")
        yield f"- IR drop on the {tile} tile: {'; '.join(found) if found else 'nothing is lost that shows'}."


def _of_no_training(results: dict[str, Any]) -> str:
    cases = _cases(results)
    lines = [f"- {name}: **{_compensated(rows)}**; {_least(rows)}." for name, rows in cases.items()]
    names = [name for name in ("together", *REMEDIES) if any(name in rows for rows in cases.values())]
    table = ["| left of all together | " + " | ".join(cases) + " |", "|---" * (len(cases) + 1) + "|"]
    for name in names:
        found = [loss(rows[name]) if name in rows else "" for rows in cases.values()]
        table.append(f"| {REMEDIES.get(name, 'no remedy')} | " + " | ".join(found) + " |")
    knowing = [
        f"{network} {loss(trained_row(results, network, hardest(results), 'tile', 'together'))}"
        for network in networks_of(results["trained"])
    ]
    return f"""### How much do compensation and cheap remedies give back without any more training?

By the part of inputs that the input ranges leave out ([below](#input-ranges)), of all non-idealities together:

{chr(10).join(lines)}

Training through the tile leaves {"; ".join(knowing)}, with ranges that leave out {results["clipped_fraction"][0]:g}. A remedy's gain shows where its interval lies above that of none, which is not paired with it; the one that leaves least is picked on
the test texts.

{chr(10).join(table)}"""


def _cases(results: dict[str, Any]) -> dict[str, dict[str, Row]]:
    """By network and what its input ranges leave out: rows on the hardest tile, by condition."""
    cases: dict[str, dict[str, Row]] = {}
    for network in networks_of(results["untrained"]):
        for kind, fraction in zip(("untrained", "narrow"), results["clipped_fraction"], strict=True):
            wanted = {"network": network, "tile": hardest(results)}
            found = {row["condition"]: row for row in results[kind] if wanted.items() <= row.items()}
            if found:
                cases[f"{network}, {fraction:g} left out"] = found
    return cases


def _compensated(rows: dict[str, Row]) -> str:
    """What compensation gives back."""
    lost, left = rows["together"], rows["together_compensated"]
    back, taken = left["difference"] - lost["difference"], -100 * lost["difference"]
    if lost["high"] >= 0:
        return "nothing is lost that shows"
    if left["low"] > lost["high"]:
        return f"compensation gives back {100 * back:.1f} of {taken:.1f} ({-100 * back / lost['difference']:.0f} %)"
    if left["high"] < lost["low"]:
        return f"with compensation {-100 * back:.1f} more than {taken:.1f} is lost"
    return f"compensation gives back nothing that shows ({100 * back:+.1f} of {taken:.1f})"


def _least(rows: dict[str, Row]) -> str:
    """The remedy that leaves least."""
    name = max((name for name in REMEDIES if name in rows), key=lambda name: float(rows[name]["difference"]))
    shows = "" if rows[name]["low"] > rows["together"]["high"] else ", which is no gain that shows"
    return f"least is left with {REMEDIES[name]}, {loss(rows[name])}{shows}"


def _taken_back(results: dict[str, Any], tile: str) -> str:
    """A table a network."""
    tables = []
    for network in networks_of(results["trained"]):
        rows = [row for row in results["trained"] if row["network"] == network and row["tile"] == tile]
        by_arm = {arm: {row["condition"]: row for row in rows if row["arm"] == arm} for arm in ARMS}
        lines = [
            f"| {network}, {tile} | trained plainly | {ARMS['gaussian']} | {ARMS['tile']} |",
            "|---|---|---|---|",
        ]
        for name in GAINED:
            if name in by_arm["plain"]:
                gains = " | ".join(gain(by_arm[arm][name]) for arm in ("gaussian", "tile"))
                lines.append(f"| {LABELS[name]} | {loss(by_arm['plain'][name])} | {gains} |")
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


def _by_condition(results: dict[str, Any], network: str, arm: str) -> dict[str, Row]:
    """Rows of a network that was trained on, on the hardest tile."""
    wanted = {"network": network, "tile": hardest(results), "arm": arm}
    return {row["condition"]: row for row in results["trained"] if wanted.items() <= row.items()}
