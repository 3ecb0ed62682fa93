"""The kinds of work that are timed. Each gives one `Result` a competitor; docs/speed.md says what is compared."""

from collections.abc import Callable, Iterator, Mapping

from benchmarks.timing import Result
from benchmarks.works.circuits import files, imports, jobs, simulators
from benchmarks.works.common import Quick
from benchmarks.works.linear import growth, layer, mesh, programming, rail_pair, rail_pair_peers
from benchmarks.works.nonlinear import compressing_oscillator, gated, noise

__all__ = ["WORKS", "Quick"]

WORKS: Mapping[str, Callable[[Quick], Iterator[Result]]] = {
    work.__name__: work
    for work in (
        rail_pair,
        programming,
        mesh,
        gated,
        compressing_oscillator,
        noise,
        imports,
        files,
        growth,
        layer,
        jobs,
        rail_pair_peers,
        simulators,
    )
}
"""In the order in which they run; those whose competitors take minutes last."""
