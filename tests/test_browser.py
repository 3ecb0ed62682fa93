"""Pages in a browser: every figure is drawn, nothing comes from outside, narrow screens and paper hold the page."""

import re
import shutil
import subprocess

import pytest

from reports.evaluation import write_evaluation
from reports.sweep import run_sweep, sweep_conditions
from reports.sweep_page import write_sweep
from reports.validation import validate
from reports.write import write_report
from tests.conftest import pair_tile
from tests.test_evaluation_page import evaluation

CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.spice, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]

CCO = {"kind": "cco", "f_hertz_per_ampere": 6.24e13, "phase_cycle": 0.0, "count_max": 4095}
MISMATCH = {
    "seed": 7,
    "access_resistance_sigma": 0.0,
    "clamp_offset_sigma_volt": 1e-3,
    "mirror_ratio_sigma": 0.0,
    "adc_gain_sigma": 0.0,
    "adc_offset_sigma_lsb": 0.0,
    "adc_unit_capacitor_sigma": 0.0,
}
# A window of headless chromium is no narrower than 500 pixels, a frame may be
FRAME = """<iframe id="page" src="index.html" style="border: 0; width: 400px; height: 900px"></iframe><script>
onload = () => {
  const page = document.getElementById("page").contentDocument;
  const drawn = [...page.images].filter(image => image.complete && image.naturalWidth > 0).length;
  document.title = `images ${drawn}/${page.images.length} width ${page.documentElement.scrollWidth}`;
};</script>"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    tile = pair_tile(array={"n_row": 4, "n_col": 2}, adc=CCO, spec={"max_error_percent_full_scale": 0.01})
    write_report(validate(tile, n_vec=2), folder / "validate")
    drawn = pair_tile(array={"n_row": 4, "n_col": 2}, mismatch=MISMATCH, spec={"max_error_percent_full_scale": 0.01})
    write_sweep(run_sweep(sweep_conditions(drawn, n_chip=2), n_vec=1), folder / "sweep")
    write_evaluation(evaluation(), folder / "evaluation")
    return folder


def chromium(profile, *arguments):
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    command += ["--allow-file-access-from-files", "--enable-logging=stderr", "--v=0", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


@pytest.mark.parametrize(("name", "n_figure"), [("validate", 8), ("sweep", 2), ("evaluation", 1)])
def test_a_page_draws_its_figures_alone_and_fits_a_narrow_screen(pages, tmp_path, name, n_figure):
    page = (pages / name / "index.html").read_text()
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page)
    assert len(re.findall(r'<img src="data:', page)) == page.count("<img") == n_figure
    frame = pages / name / "frame.html"
    frame.write_text(FRAME)
    done = chromium(tmp_path, "--virtual-time-budget=5000", "--dump-dom", frame.as_uri())
    found = re.search(r"images (\d+)/(\d+) width (\d+)", done.stdout.replace(FRAME, ""))
    assert found, done.stdout
    drawn, n_image, width = map(int, found.groups())
    assert drawn == n_image == n_figure
    assert width <= 400
    assert "CONSOLE" not in done.stderr


@pytest.mark.parametrize("name", ["validate", "sweep", "evaluation"])
def test_a_page_prints(pages, tmp_path, name):
    paper = tmp_path / "page.pdf"
    chromium(tmp_path / "profile", f"--print-to-pdf={paper}", (pages / name / "index.html").as_uri())
    assert paper.read_bytes().startswith(b"%PDF")
