"""Models without a calibration, for tests of exports: a tile that states all its parameters."""

import numpy as np

from tests.test_budget import RECORD
from tilemodel.compact import CompactModel, FitStatistics, Provenance
from tilemodel.config.operands import conductances_from_weights, random_ticks, random_weights
from tilemodel.exports import Probe
from tilemodel.parameters import parameters_from_tile
from tilemodel.validity import ValidityRange


def as_model(tile):
    return CompactModel(
        schema_version="tilemodel-compact-2",
        tile=tile,
        parameters=parameters_from_tile(tile),
        fit=FitStatistics(
            fitted=[],
            standard_error=[],
            correlation=[],
            n_observation=1,
            residual_rms_coulomb=0.0,
            residual_max_coulomb=0.0,
            residual_max_percent_of_largest_charge=0.0,
        ),
        provenance=Provenance(
            package="tilemodel",
            engine="by hand",
            seed=0,
            cell_sha256=None,
            conditions=[RECORD],
            reference_error_percent_of_largest_charge=0.0,
        ),
        validity=ValidityRange.of_experiment(tile, [tile.array.n_row], [tile.v_read_volt]),
    )


def probe_of(tile, n_vec=6, seed=1):
    """Random operands whose largest weight is 1: aihwkit stretches a matrix until it is."""
    rng = np.random.default_rng(seed)
    weights = random_weights(tile, rng)
    weights[0, 0] = 1.0
    ticks = random_ticks(tile, rng, n_vec)
    return Probe(model=as_model(tile), conductances=conductances_from_weights(tile, weights), ticks=ticks, seed=seed)


def weights_of(probe):
    g = probe.tile.conductance
    return (probe.conductances.g_plus - probe.conductances.g_minus) / (g.g_max_siemens - g.g_min_siemens)
