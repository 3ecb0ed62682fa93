"""A plan in words, for a terminal."""

from calibration.plan import Candidate, Plan
from calibration.separation import separating_experiment

__all__ = ["plan_lines"]


def plan_lines(plan: Plan) -> list[str]:
    """What will be simulated, how long it takes, how precisely each parameter will be known, and the alternatives."""
    return [*_time_lines(plan), *_precision_lines(plan), *_candidate_lines(plan)]


def _time_lines(plan: Plan) -> list[str]:
    pilot = plan.pilot
    lines = [f"experiment: {plan.chosen.design}", f"{'':44s} decks stored  seconds  first deck"]
    lines += [
        f"{item.name[:36]:36s} {item.v_read_volt:5.3g} V {len(item.deck_sha256):5d} {item.n_stored:6d} "
        f"{item.second:8.2g}  {item.deck_sha256[0][:16]}"
        for item in plan.batches
    ]
    total = sum(item.second for item in plan.batches)
    lines.append(
        f"{total:.2g} s of simulation, about {plan.elapsed_second:.2g} s with {plan.n_worker} simulator(s) at a time"
    )
    lines.append(
        f"basis: a pilot of {pilot.n_run} runs on tiles of up to {pilot.design.n_row} x {pilot.design.n_col}, "
        f"{pilot.second:.2g} s when they were computed; "
        "the machine's other work then counts as its speed"
    )
    return lines


def _precision_lines(plan: Plan) -> list[str]:
    chosen, pilot = plan.chosen, plan.pilot
    where = "the pilot's fit" if pilot.fitted else "the starting values, for the pilot determines none"
    lines = [
        f"expected precision at {where}; charges scatter by {100 * pilot.noise:.2g} % of the largest "
        f"(the simulator alone {100 * pilot.reference_noise:.2g} %)",
        f"{'':34s} {'value':>12s} {'std error':>10s} {'% of typical size':>18s}",
    ]
    lost = {name for group in chosen.inseparable for name in group}
    for name, value, error, percent in zip(
        chosen.names, chosen.value, chosen.standard_error, chosen.percent, strict=True
    ):
        known = "      not determined" if name in lost else f"{error:10.2g} {percent:18.2g}"
        lines.append(f"{name:34s} {value:12.5g} {known}")
    lines += [
        f"cannot be told apart: {' and '.join(group)}; what would: {separating_experiment(group)}"
        for group in chosen.inseparable
    ]
    lines += [
        f"{first} and {second} are hardly told apart (correlation {correlation:.4f}); what would: "
        f"{separating_experiment([first, second])}"
        for first, second, correlation in chosen.hardly_separated
    ]
    return lines


def _candidate_lines(plan: Plan) -> list[str]:
    unit = plan.chosen.information_per_second or 1.0
    return [
        f"candidates, cheapest first: {'seconds':>9s} {'worst %':>9s} {'information a second':>21s}",
        *(_candidate_line(item, unit, chosen=item is plan.chosen) for item in plan.candidates),
    ]


def _candidate_line(item: Candidate, unit: float, *, chosen: bool) -> str:
    numbers = f"{item.second:9.2g} {item.percent.max():9.2g} {item.information_per_second / unit:21.2f}"
    return f"{numbers}  {item.design}{'  <- chosen' if chosen else ''}"
