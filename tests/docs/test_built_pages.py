"""The pages as they are built: complete without a network, and no wider than the screen."""

import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT

pytestmark = pytest.mark.long

WIDTHS = (360, 768, 1100, 1280)
"""Of a phone, a tablet, half a screen and a desk, in pixels."""

MEASURE = """
<body><pre id="found"></pre><script>
const found = [];
let open = 0;
for (const [page, width] of %s) {
  const frame = document.createElement("iframe");
  frame.style.width = width + "px";
  frame.style.height = "800px";
  open += 1;
  frame.onload = () => {
    const inner = frame.contentDocument;
    const wide = inner.documentElement.scrollWidth;
    const blank = [...inner.images].filter((one) => !one.complete || !one.naturalWidth).length;
    found.push([page, width, wide, blank]);
    open -= 1;
    if (!open) document.getElementById("found").textContent = JSON.stringify(found);
  };
  frame.src = page;
  document.body.append(frame);
}
</script></body>
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the pages; any warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    options = ["-n", "-W", "--keep-going", "-q", "-b", "html", "-d", str(folder / "trees")]
    command = [sys.executable, "-m", "sphinx", *options, str(ROOT / "docs"), str(folder / "html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"([^\"]*)\"", text)
        loaded += re.findall(r"<link\b[^>]*\bhref=\"([^\"]*)\"", text)
        assert not [each for each in loaded if re.match(r"(?:https?:)?//", each)], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*['\"]?(?:https?:)?//", sheet.read_text()), sheet


def test_the_reference_leaves_nothing_out(site: Path) -> None:
    """Every public name, command, document, constraint and kind of promise has its place."""
    import gnr
    from gnr.cli.app import app
    from gnr.models import constraints
    from gnr.schemas import DOCUMENTS
    from gnr.slis import INDICATORS

    own = [name for name, one in vars(constraints).items() if inspect.isfunction(one)]
    places = {
        "reference/python": [f"gnr.{name}" for name in gnr.__all__],
        "reference/commands": [f"gnr-{each.name}" for each in app.registered_commands],
        "reference/json": [f"json-{name}" for name in DOCUMENTS if name != "instance"],
        "formulation": [name.replace("_", "-") for name in own if name[0] != "_"]
        + [f"promise-{kind.replace('_', '-')}" for kind in INDICATORS],
    }
    for page, anchors in places.items():
        text = (site / f"{page}.html").read_text(encoding="utf-8")
        assert not [each for each in anchors if f'id="{each}"' not in text], page


def test_every_formula_is_mathml(site: Path) -> None:
    formulas = {
        name: (site / f"{name}.html").read_text(encoding="utf-8").count("<math ")
        for name in ("formulation", "ledger")
    }
    assert formulas["formulation"] > 60
    assert formulas["ledger"] > 196, "a formula for every claim"


def test_no_page_is_wider_than_the_screen_and_no_picture_is_missing(site: Path) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium on this machine")
    (site / "planted.html").write_text("<div style='width: 2000px'>x</div><img src='no.png'>")
    pages = [str(page.relative_to(site)) for page in site.rglob("*.html")]
    shown = json.dumps([[page, width] for page in pages for width in WIDTHS])
    (site / "measure.html").write_text(MEASURE % shown, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    command = [browser, *options, "--virtual-time-budget=60000", "--dump-dom"]
    done = subprocess.run(
        [*command, f"file://{site / 'measure.html'}"], capture_output=True, text=True, check=True
    )
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.S)
    assert found, "the browser measured nothing"
    measured = json.loads(found[1])
    assert len(measured) == len(pages) * len(WIDTHS)
    faults = {"wide": {each[0] for each in measured if each[2] > each[1]}}
    faults["pictures"] = {each[0] for each in measured if each[3]}
    assert faults == {"wide": {"planted.html"}, "pictures": {"planted.html"}}
