"""What the figures share: style, colours, and SVG text that depends on the data alone (no dates, no random ids)."""

import io

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

__all__ = ["BLUE", "GREY", "LEGEND_ABOVE", "LIGHT_BLUE", "ORANGE", "STYLE", "svg_text"]

STYLE = {
    "font.size": 9.0,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "tilemodel",
    "svg.fonttype": "path",
    "legend.frameon": False,
}
# Each darker than the next by a step that shows in grey; what lies on each other has other markers or lines besides
BLUE, GREY, ORANGE, LIGHT_BLUE = "#1b4f9c", "#7a7a7a", "#e3a04a", "#b4caee"
LEGEND_ABOVE = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "ncols": 3, "borderaxespad": 0.2}


def svg_text(figure: Figure) -> str:
    """The figure as SVG; to be called, like the drawing itself, within `matplotlib.rc_context(STYLE)`."""
    buffer = io.StringIO()
    FigureCanvasSVG(figure)
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
