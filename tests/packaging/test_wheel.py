"""The wheel has everything: installed outside the checkout it solves a shipped instance."""

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from gnr.installed import source_digest
from packaging_tools import ROOT, package_folders


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the tracked files, so that nothing is left in the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(source)], check=True)
    (found,) = folder.glob("*.whl")
    return found


def test_wheel_holds_every_module_instance_and_schema(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for package, folder in package_folders().items():
        for file in folder.glob("*.py"):
            assert f"{package.replace('.', '/')}/{file.name}" in names
    for file in (ROOT / "instances").glob("*/*.toml"):
        assert f"gnr/instances/{file.relative_to(ROOT / 'instances').as_posix()}" in names
    for file in (ROOT / "gnr" / "schemas").glob("*.json"):
        assert f"gnr/schemas/{file.name}" in names
    assert {"gnr/py.typed", "gnr/proofs/ledger.toml"} <= names
    for file in ("claims.toml", "open_data.json"):
        assert f"gnr/validation/studies/reproduction/{file}" in names
    report = ("report.html.jinja", "report.css", "terms.toml")
    assert {f"gnr/report/{file}" for file in report} <= names
    assert not any(name.startswith("tests") for name in names)


def test_installed_outside_the_checkout_it_solves_by_name(wheel: Path, tmp_path: Path) -> None:
    """A fresh environment with the dependencies of this one, but without its editable install."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True
    )
    python = tmp_path / "env" / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # A path line makes the dependencies importable; the .pth files of that folder, the one of
    # the editable install among them, are not processed.
    Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site]
    subprocess.run([*pip, str(wheel)], check=True)
    script = (
        "import gnr.models, gnr.validation, gnr.installed;"
        "print(gnr.models.__file__, gnr.installed.source_digest())"
    )
    told = subprocess.run(
        [python, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    where, digest = told.rsplit(maxsplit=1)
    assert where.startswith(site)
    assert digest == source_digest(), "a wheel and a checkout of one commit may work together"
    done = subprocess.run(
        [python, "-m", "gnr", "solve", "two-class", "--gpus", "20", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    document = json.loads(done.stdout)
    assert document["revenue_rate"] == pytest.approx(297.7031698642446)
    assert document["plan"]["recommendation"]["policy"] == "price-index-fill"
    assert document["provenance"]["commit"] is None
    proving = [python, "-m", "gnr", "prove", "M-d", "--json"]
    done = subprocess.run(proving, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["proved"] == 1
