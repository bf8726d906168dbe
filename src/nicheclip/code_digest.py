"""A digest of the library code that a script can reach, for Snakemake's ``params`` trigger.

Snakemake watches a script (by its date, which a checkout changes), not the modules it imports.
Rules put ``code=code_digest(script)`` among their params, so that an edit reruns just the stages
that use the edited code. Imports are followed in the source text: nothing is executed.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parent.parent


def code_digest(script: Path | str) -> str:
    """Twelve hex digits over ``script`` and every ``nicheclip`` module that it imports."""
    digest = hashlib.sha256(Path(script).read_bytes())
    for module in sorted(reachable_modules(script)):
        digest.update(module.relative_to(SOURCE).as_posix().encode())
        digest.update(module.read_bytes())
    return digest.hexdigest()[:12]


def reachable_modules(script: Path | str) -> set[Path]:
    """The files of all ``nicheclip`` modules that ``script`` imports, near or far."""
    found: set[Path] = set()
    open_ends = list(_imports(Path(script)))
    while open_ends:
        module = open_ends.pop()
        if module not in found:
            found.add(module)
            open_ends.extend(_imports(module))
    return found


@cache
def _imports(path: Path) -> frozenset[Path]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(module for name in names for module in _modules(name))


def _modules(name: str) -> list[Path]:
    """The files that importing ``name`` runs: the module and the packages above it."""
    parts = name.split(".")
    if parts[0] != "nicheclip":
        return []
    files = []
    for end in range(1, len(parts) + 1):
        base = SOURCE.joinpath(*parts[:end])
        files += [p for p in (base / "__init__.py", base.with_suffix(".py")) if p.is_file()]
    return files
