"""Circuits in VACASK's netlist language: lines of text. Names and nodes are case-sensitive; `0` is ground."""

from collections.abc import Iterable, Mapping, Sequence

from tilemodel.config.tile import SimulatorConfig

__all__ = ["MEMORY_VERILOG_A", "OPERATING_POINT", "SWITCH_VERILOG_A", "TRANSIENT", "VacaskLanguage"]

# Names of the analyses; each leaves its result in `<name>.raw`
OPERATING_POINT = "op1"
TRANSIENT = "tran1"

MEMORY_VERILOG_A = """\
`include "disciplines.vams"
// Memory element I = g v0 sinh(V/v0), times (1 - a) for V < 0: g [S], v0 [V], a [1]
module tilemodel_memory(p, n);
  inout p, n;
  electrical p, n;
  (* type="instance" *) parameter real g = 1.0e-6 from (0:inf);
  (* type="instance" *) parameter real v0 = 1.0 from (0:inf);
  (* type="instance" *) parameter real a = 0.0 from [0:1);
  real i;
  analog begin
    i = g * v0 * sinh(V(p, n) / v0);
    if (V(p, n) < 0.0)
      i = (1.0 - a) * i;
    I(p, n) <+ i;
  end
endmodule
"""

SWITCH_VERILOG_A = """\
`include "disciplines.vams"
// Switch: g_off [S] for V(cp,cn) < vt - w/2 [V], 1/r_on [ohm] above vt + w/2, a smooth cubic step between
module tilemodel_switch(p, n, cp, cn);
  inout p, n, cp, cn;
  electrical p, n, cp, cn;
  (* type="instance" *) parameter real r_on = 1.0e3 from (0:inf);
  (* type="instance" *) parameter real g_off = 1.0e-15 from [0:inf);
  (* type="instance" *) parameter real vt = 0.5;
  (* type="instance" *) parameter real w = 1.0e-4 from (0:inf);
  real x;
  analog begin
    x = (V(cp, cn) - vt) / w + 0.5;
    if (x <= 0.0)
      x = 0.0;
    else if (x >= 1.0)
      x = 1.0;
    else
      x = x * x * (3.0 - 2.0 * x);
    I(p, n) <+ (g_off + x * (1.0 / r_on - g_off)) * V(p, n);
  end
endmodule
"""


class VacaskLanguage:
    """Writer of a netlist: `title`, `preamble`, elements, then one analysis, each as one or more lines.

    Numbers are written with `repr`, so that none loses a digit. All voltage sources sit between a node and ground.
    """

    def title(self, text: str) -> list[str]:
        """The first line of a netlist, which is never read as circuit; further lines become comments."""
        first, *rest = text.splitlines() or [""]
        return [first, *(self.comment(line) for line in rest)]

    def comment(self, text: str) -> str:
        return f"// {text}"

    def preamble(self, load: Iterable[str] = ()) -> list[str]:
        """What every netlist begins with; `load` names further device files, `.va` or `.osdi`."""
        files = ("resistor.osdi", "capacitor.osdi", *load)
        return [*(f'load "{name}"' for name in files), "model res resistor", "model cap capacitor", "model vs vsource"]

    def model(self, name: str, module: str, parameters: Mapping[str, float] | None = None) -> str:
        """A device's module under a name that instances use, with the parameters that they share."""
        return f"model {name} {module}{_parameters(parameters or {})}"

    def instance(self, name: str, nodes: Sequence[str], model: str, parameters: Mapping[str, float]) -> str:
        return f"{name} ({' '.join(nodes)}) {model}{_parameters(parameters)}"

    def resistor(self, name: str, a: str, b: str, ohm: float) -> str:
        return f"{name} ({a} {b}) res r={_number(ohm)}"

    def resistors(
        self, prefix: str, rows: Iterable[int], a: Iterable[str], b: Iterable[str], ohm: Iterable[float]
    ) -> list[str]:
        elements = zip(rows, a, b, ohm, strict=False)
        return [self.resistor(f"{prefix}{row}", here, there, value) for row, here, there, value in elements]

    def capacitor(self, name: str, a: str, b: str, farad: float) -> str:
        return f"{name} ({a} {b}) cap c={_number(farad)}"

    def dc_source(self, name: str, node: str, volt: float) -> str:
        return f"{name} ({node} 0) vs dc={_number(volt)}"

    def pwl_source(self, name: str, node: str, points: Sequence[tuple[float, float]]) -> str:
        """Through `points` (second, volt) with rising times; constant before the first and after the last.

        An operating point sees the first voltage.
        """
        if len(points) == 1:  # VACASK refuses a wave of one point
            return self.dc_source(name, node, points[0][1])
        wave = ", ".join(f"{_number(t)}, {_number(v)}" for t, v in points)
        return f'{name} ({node} 0) vs dc={_number(points[0][1])} type="pwl" wave=[{wave}]'

    def current_vector(self, source: str) -> str:
        """Name of a source's current in the result [A], positive from its node through the source to ground."""
        return f"{source}:flow(br)"

    def transient(
        self,
        simulator: SimulatorConfig,
        sources: Sequence[str],
        *,
        t_stop_second: float,
        max_step_second: float,
        temperature_celsius: float = 27.0,
    ) -> list[str]:
        """From the operating point at 0 to `t_stop_second`, saving the currents of `sources`.

        Newton's check of residuals is off: at the shortest steps after a corner the rounding of a capacitor's
        current exceeds any tolerance. The check of the solution's change stays. A step after a corner spans at most
        0.02 of the time to the next one (VACASK's own 0.25 costs 2e-5 of full scale on transistors' edges).
        """
        step = _number(max_step_second)
        options = (
            f" chgtol={_number(simulator.chgtol_coulomb)} tran_lteratio={_number(simulator.trtol)} "
            "nr_residualcheck=0 tran_fbr=0.02"
        )
        analysis = f"{TRANSIENT} tran step={step} stop={_number(t_stop_second)} maxstep={step}"
        return _control(simulator, sources, analysis, temperature_celsius, options)

    def operating_point(
        self, simulator: SimulatorConfig, sources: Sequence[str], *, temperature_celsius: float = 27.0
    ) -> list[str]:
        """Currents of `sources` with capacitors open."""
        return _control(simulator, sources, f"{OPERATING_POINT} op", temperature_celsius, " nr_residualcheck=0")


def _control(
    simulator: SimulatorConfig, sources: Sequence[str], analysis: str, temperature_celsius: float, options: str
) -> list[str]:
    return [
        "control",
        f"  options reltol={_number(simulator.reltol)} abstol={_number(simulator.abstol_ampere)} "
        f"vntol={_number(simulator.vntol_volt)} temp={_number(temperature_celsius)}{options} "
        'rawfile="binary" strictsave=2',
        *(f"  save i({source})" for source in sources),
        f"  analysis {analysis}",
        "endc",
        "",
    ]


def _parameters(parameters: Mapping[str, float]) -> str:
    return "".join(f" {key}={_number(value)}" for key, value in parameters.items())


def _number(value: float) -> str:
    return repr(float(value))
