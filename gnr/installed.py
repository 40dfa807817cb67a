"""What is installed here: a digest of the sources of gnr, and what the processor can do."""

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("gnr", "gnr.instances", "gnr.models", "gnr.proofs", "gnr.validation")
"""Packages with folders of their own in a checkout; installed, they lie inside the first."""

LIBRARIES = ("numpy", "numba", "llvmlite", "scipy", "pyomo", "highspy")
"""Packages that decide the last digits of numbers."""


@cache
def installation_digest() -> str:
    """Return a digest of all that results depend on here: sources, Python, `LIBRARIES`."""
    parts = [source_digest(), ".".join(platform.python_version_tuple()[:2])]
    parts += [f"{name} {_version(name)}" for name in LIBRARIES]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


@cache
def source_digest() -> str:
    """Return the SHA-256 of the names and contents of all source files, hexadecimal.

    It is the same for a checkout and for an installed package of the same commit.
    """
    digest = hashlib.sha256()
    for name, file in sorted(_sources().items()):
        digest.update(f"{name}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _sources() -> dict[str, Path]:
    """Return the source files by the names they are imported by."""
    found = {}
    for package in PACKAGES:
        spec = find_spec(package)
        for folder in spec.submodule_search_locations or () if spec else ():
            for file in Path(folder).rglob("*.py"):
                parts = file.relative_to(folder).with_suffix("").parts
                found[".".join((package, *parts))] = file
    return found


@cache
def instruction_set() -> str:
    """Return what this processor can do: floating point may round otherwise on another kind."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    able = sorted(name for name, present in features.items() if present)
    return f"{platform.machine()}: {', '.join(able)}"
