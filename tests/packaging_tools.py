"""Make the view that type checkers can follow: ``gnr/`` with the mapped folders inside it.

``python packaging_tools.py FOLDER`` writes ``FOLDER/gnr`` with links to every module.
"""

import configparser
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def package_folders() -> dict[str, Path]:
    """Return the folder of every package named in setup.cfg, by dotted name."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    roots = dict(
        line.replace(" ", "").split("=")
        for line in config["options"]["package_dir"].strip().splitlines()
    )
    folders = {}
    for package in config["options"]["packages"].split():
        root = max((r for r in roots if f"{package}.".startswith(f"{r}.")), key=len)
        rest = package[len(root) :].strip(".").replace(".", "/")
        folders[package] = ROOT / roots[root] / rest
    return folders


def make_view(view: Path) -> None:
    """Write the view into `view`, replacing what was there."""
    shutil.rmtree(view / "gnr", ignore_errors=True)
    for package, folder in package_folders().items():
        target = view / package.replace(".", "/")
        target.mkdir(parents=True, exist_ok=True)
        for file in [*folder.glob("*.py"), *folder.glob("py.typed")]:
            (target / file.name).symlink_to(file)


if __name__ == "__main__":
    make_view(Path(sys.argv[1]))
