"""The layout of DESIGN section 1: packages, imports, names, sizes, version."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from packaging_tools import ROOT, package_folders

FOLDERS = ("gnr", "models", "proofs", "validation", "instances")
SOURCES = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))
DOMAIN = {
    "_version", "arrays", "atomic", "batch_law", "calibration_result", "certificate", "checks",
    "comparison", "convergence", "coverage", "demand", "errors", "exact_factors", "exact_lp",
    "exact_rates", "finite_plan", "fit_result", "frontier_result", "installed", "instance",
    "instance_text", "latency_promise", "network", "outward", "overrides", "plan", "provenance",
    "rates", "reading", "recommendation", "replay_result", "reproduction", "request_trace",
    "result", "router_export", "schema_errors", "simulation", "size_band", "sizing", "slis",
    "spreading", "survey", "sweep_result", "varying", "verdicts",
}  # fmt: skip
"""The domain modules of `gnr/`; the others are ways in."""
PUBLIC = {
    "load", "solve", "simulate", "converge", "compare", "frontier", "sweep", "size", "calibrate",
    "fit", "replay", "export", "reproduce", "prove", "draw", "check", "new",
}  # fmt: skip


def dotted(file: Path) -> str:
    """Return the module name a source file is imported by."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "gnr" else ("gnr", *parts)
    return ".".join(parts).removesuffix(".__init__")


def imports(file: Path) -> set[str]:
    """Return the modules of gnr that a file imports, TYPE_CHECKING blocks left out."""
    tree = ast.parse(file.read_text())
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return {name for name in found if name.startswith("gnr.")}


def area(module: str) -> str:
    """Return the area a module belongs to: a folder, or for gnr 'domain' or 'ways in'."""
    parts = module.split(".")
    if len(parts) == 1:
        return "ways in"
    if parts[1] in ("models", "proofs", "validation", "instances"):
        return "studies" if parts[1:3] == ["validation", "studies"] else parts[1]
    return "domain" if parts[1] in DOMAIN else "ways in"


ALLOWED = {
    "domain": {"domain"},
    "ways in": {"domain", "ways in", "models", "proofs", "validation", "studies", "instances"},
    "models": {"domain", "models"},
    "proofs": {"domain", "proofs", "models"},
    "validation": {"domain", "validation"},
    "studies": {"domain", "validation", "studies", "models"},
    "instances": set(),
}


SUMMARIES = {
    "gnr.result": "gnr.summary",
    "gnr.simulation": "gnr.simulation_summary",
    "gnr.convergence": "gnr.simulation_summary",
    "gnr.comparison": "gnr.comparison_summary",
    "gnr.survey": "gnr.comparison_summary",
    "gnr.finite_plan": "gnr.finite_plan_summary",
    "gnr.fit_result": "gnr.fit_summary",
    "gnr.frontier_result": "gnr.frontier_summary",
    "gnr.sweep_result": "gnr.sweep_summary",
    "gnr.calibration_result": "gnr.calibration_summary",
    "gnr.replay_result": "gnr.replay_summary",
    "gnr.reproduction": "gnr.reproduction_summary",
    "gnr.sizing": "gnr.sizing_summary",
    "gnr.verdicts": "gnr.proof_summary",
    "gnr.coverage": "gnr.proof_summary",
}
"""The way in that a result document may load, to show itself."""


def offences(module: str, file: Path) -> set[str]:
    """Return the modules that a file imports although `module` may not."""
    found = {each for each in imports(file) if area(each) not in ALLOWED[area(module)]}
    summary = SUMMARIES.get(module, "none")  # loaded when a result is printed
    return {each for each in found if not each.startswith(summary)}


@pytest.mark.parametrize("file", SOURCES, ids=dotted)
def test_imports_keep_to_the_rules_of_the_house(file: Path) -> None:
    assert not offences(dotted(file), file)


@pytest.mark.parametrize(
    ("importer", "line"),
    [
        ("gnr.plan", "from gnr.models.solver import optimize"),
        ("gnr.models.planted", "import gnr.summary"),
        ("gnr.validation.planted", "from gnr.models import solver"),
        ("gnr.instances", "def late():\n    import gnr.rates"),
    ],
)
def test_import_rules_find_a_planted_offence(importer: str, line: str, tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(line + "\n")
    assert offences(importer, planted)
    assert not offences("gnr.cli.planted", planted), "the ways in may import all"


def test_only_the_seam_names_the_solver() -> None:
    seam = ROOT / "models" / "solver.py"
    named = {
        file
        for file in SOURCES
        if any(
            re.search(r"highspy|contrib\.solver|SolverFactory", ast.unparse(node))
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
        )
    }
    assert named == {seam}


def test_packages_of_setup_cfg_are_the_folders_with_python_in_them() -> None:
    named = {package: folder.resolve() for package, folder in package_folders().items()}
    existing = {dotted(file) for file in SOURCES if file.name == "__init__.py"}
    assert set(named) == existing
    assert {dotted(file / "__init__.py") for file in {file.parent for file in SOURCES}} == existing
    assert all((folder / "__init__.py").is_file() for folder in named.values())


def test_no_module_bears_the_name_of_a_public_function() -> None:
    assert not {file.stem for file in SOURCES} & PUBLIC


def test_modules_are_short_and_import_absolutely() -> None:
    for file in SOURCES:
        text = file.read_text()
        assert len(text.splitlines()) <= 500, file
        assert not re.search(r"^\s*from \.", text, re.M), file
        assert not re.search(r"import \*", text), file


def test_every_domain_module_is_named_and_exists() -> None:
    assert DOMAIN & {file.stem for file in (ROOT / "gnr").iterdir()} == DOMAIN


def test_importing_gnr_loads_nothing_else() -> None:
    script = (
        "import sys; import gnr; sys.exit(any(m in sys.modules for m in ('numpy', 'pydantic')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_public_names_resolve_and_are_listed() -> None:
    import gnr

    for name in gnr.__all__:
        assert getattr(gnr, name) is not None
        assert name in dir(gnr)
    with pytest.raises(AttributeError):
        _ = gnr.no_such_name


def test_version_is_the_same_everywhere() -> None:
    from gnr._version import __version__

    assert f"version: {__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
