"""What the pages share: templates on `base.html`, figures inside the page, the table of a tile's values."""

import base64
from typing import Any

import jinja2

__all__ = ["assumed_values", "data_uri", "figure_text", "render_template", "value_rows"]

# What float64 leaves of an exact zero, in percent
_ROUNDING = 1e-9


def render_template(name: str, **values: Any) -> str:
    """The self-contained HTML page of the template `name` in this folder."""
    environment = jinja2.Environment(loader=jinja2.PackageLoader("reports", "."), autoescape=True, trim_blocks=True)
    environment.filters["figure"] = figure_text
    return environment.get_template(name).render(**values)


def figure_text(value: float | None) -> str:
    """A figure in percent or LSB with three digits; 0 where it is rounding, - where there is none."""
    if value is None:
        return "-"
    return "0" if abs(value) < _ROUNDING else f"{value:.3g}"


def data_uri(svg: str) -> str:
    """An image inside the page."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def value_rows(tile: dict[str, Any]) -> list[dict[str, str]]:
    """The values of a tile (as plain values) that have a source, and its conditions; assumed ones first."""
    rows = []
    for key, source in tile["sources"].items():
        if key.startswith(("simulator.", "spec.")) or key == "name":
            continue
        value: Any = tile
        for part in key.split("."):
            value = value[part]
        text = ", ".join(part for part in (source["source"], source["locator"], source["validity"]) if part)
        rows.append({"key": key, "value": str(value), "kind": source["kind"], "source": text})
    for name, value in tile["conditions"].items():
        if f"conditions.{name}" not in tile["sources"]:
            nominal = {"kind": "default", "source": "nominal: the tile file says nothing"}
            rows.append({"key": f"conditions.{name}", "value": str(value), **nominal})
    return sorted(rows, key=lambda row: (row["kind"] != "assumed", row["key"]))


def assumed_values(tile: dict[str, Any]) -> list[str]:
    """Every assumed value of a tile (as plain values), as 'key = value'."""
    return [f"{row['key']} = {row['value']}" for row in value_rows(tile) if row["kind"] == "assumed"]
