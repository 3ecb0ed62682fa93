"""Options, markers and tiles that the tests share."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spice_netlists.errors import SimulatorMissingError
from spice_netlists.ngspice import find_ngspice
from spice_netlists.pdk import sky130_model_file
from spice_netlists.vacask import find_vacask
from tilemodel.config.errors import MissingPackageError
from tilemodel.config.load import tile_from_mapping
from tilemodel.config.passes import RowPulses, tile_passes
from tilemodel.config.tile import TileConfig

os.environ.pop("TILEMODEL_NGSPICE", None)
os.environ.pop("TILEMODEL_VACASK", None)
os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # the tests themselves run side by side


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--spice",
        choices=("required", "if-available"),
        default="if-available",
        help="what to do with tests whose simulator (ngspice, VACASK) or SKY130 models are missing: fail or skip",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a missing simulator, or fail it where simulators are required."""
    missing = None
    if item.get_closest_marker("spice"):
        missing = _missing(find_ngspice)
    if missing is None and item.get_closest_marker("vacask"):
        missing = _missing(find_vacask)
    if missing is None and item.get_closest_marker("sky130"):
        missing = _missing(lambda: sky130_model_file("tt"))
    if missing is not None:
        if item.config.getoption("--spice") == "required":
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)


def _missing(find: Any) -> str | None:
    try:
        find()
    except (SimulatorMissingError, MissingPackageError) as error:
        return str(error)
    return None


OHMIC = {"kind": "linear", "polarity_asymmetry": 0.0}
IDEAL_CLAMP = {"window": "settled", "circuit": {"kind": "ideal"}}


def _base() -> dict[str, Any]:
    return {
        "name": "test",
        "array": {"n_row": 8, "n_col": 3, "read_out_end": "south"},
        "conductance": {"g_min_siemens": 0.1e-6, "g_max_siemens": 25e-6},
        "wires": {
            "r_bit_line_ohm": 2.0,
            "c_bit_line_farad": 0.4e-15,
            "r_row_ohm": 0.0,
            "c_row_farad": 0.0,
            "r_terminal_ohm": 0.0,
            "r_driver_ohm": 0.0,
            "row_driven_end": "west",
            "temperature_coefficient_per_kelvin": 0.00451,
            "reference_temperature_celsius": 27.0,
        },
        "drive": {
            "coding": "conventional",
            "sign": "polarity",
            "input_bits": 8,
            "t_lsb_second": 1e-9,
            "t_edge_second": 50e-12,
            "t_start_second": 1e-9,
        },
        "adc": {"kind": "ideal"},
    }


def pair_mapping(**tables: dict[str, Any]) -> dict[str, Any]:
    """Plain values of a small `rail_pair` tile, the given tables laid over them."""
    return _overlaid(
        {
            **_base(),
            "cell": {"kind": "rail_pair", "v_common_volt": 0.4, "v_read_volt": 0.2, "device": OHMIC},
            "read_out": {"v_clamp_volt": 0.4005, "t_tail_second": 2e-9, **IDEAL_CLAMP},
            "simulator": {"reltol": 1e-6, "abstol_ampere": 1e-14, "vntol_volt": 1e-10, "chgtol_coulomb": 1e-18},
        },
        tables,
    )


def switch_mapping(**tables: dict[str, Any]) -> dict[str, Any]:
    """Plain values of a small `gated_1t1r` tile with ideal switches."""
    mapping = {
        **_base(),
        "cell": {
            "kind": "gated_1t1r",
            "v_source_line_volt": 0.0,
            "access": {"kind": "switch", "r_on_ohm": 880.0},
            "device": OHMIC,
        },
        "read_out": {"v_clamp_volt": 0.2, "t_tail_second": 2e-9, **IDEAL_CLAMP},
    }
    mapping["drive"] = {**mapping["drive"], "sign": "unsigned", "t_edge_second": 1e-12}
    return _overlaid(mapping, tables)


def _overlaid(mapping: dict[str, Any], tables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return mapping | {name: {**mapping.get(name, {}), **table} for name, table in tables.items()}


def pair_tile(**tables: dict[str, Any]) -> TileConfig:
    return tile_from_mapping(pair_mapping(**tables))


def switch_tile(**tables: dict[str, Any]) -> TileConfig:
    return tile_from_mapping(switch_mapping(**tables))


def pulses_of(tile: TileConfig, ticks: Any, pass_index: int = 0) -> RowPulses:
    """The drive of one vector `ticks` [n_row] in one pass."""
    return tile_passes(tile, np.atleast_2d(np.asarray(ticks, dtype=np.int64)))[pass_index].pulses(0)


@pytest.fixture(autouse=True)
def store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of the test's own in place of the user's."""
    folder = tmp_path_factory.mktemp("store")
    monkeypatch.setenv("TILEMODEL_STORE", str(folder))
    return folder


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Install a script in place of ngspice (see `tests.simulators`); temporary folders are then beside it."""
    from tests.simulators import write_fake

    def install(body: str) -> None:
        write_fake(tmp_path / "ngspice", body)
        monkeypatch.setenv("TILEMODEL_NGSPICE", str(tmp_path / "ngspice"))
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr("tempfile.tempdir", None)

    return install


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260101)


@pytest.fixture
def no_ngspice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH without ngspice."""
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, *a, **k: None if name == "ngspice" else which(name, *a, **k))
