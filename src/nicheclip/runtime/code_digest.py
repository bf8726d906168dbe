"""A digest of the code that can change a script's result, for Snakemake's ``params`` trigger.

Snakemake watches a script (by its date, which a checkout changes), not the modules it imports.
Rules put ``code=code_digest(script)`` among their params, so that an edit reruns just the stages
that use the edited code. Imports are followed in the source text: nothing is executed.

What cannot change a result does not count: docstrings, comments and layout; ``nicheclip.config``,
whose values are params of their own; and the modules of ``nicheclip.runtime`` that only keep a job
in order. A script that picks a module by name is given the picked ones by its rule.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

from nicheclip.runtime.known_code import KnownCode, text_key

SOURCE = Path(__file__).parents[2]

#: rooms, below ``nicheclip``, that cannot change a result
WITHOUT_RESULTS = ("config", "runtime")
#: modules of those rooms that can
WITH_RESULTS = (
    "config/leaderboard.py",
    "config/text_sets.py",
    "runtime/csv_file.py",
    "runtime/files.py",
    "runtime/seeding.py",
)


@cache
def code_digest(script: Path | str, *chosen: str) -> str:
    """Twelve hex digits over ``script`` and every ``nicheclip`` module that it can reach.

    Args:
        script: a Python file.
        chosen: modules that the script imports by name, such as ``nicheclip.data.sources.table``.

    Raises:
        ValueError: there is no module of a chosen name.
    """
    modules = sorted(reachable_modules(script, *chosen))
    names = [module.relative_to(SOURCE).as_posix() for module in modules]
    texts = [_text(module) for module in modules]

    def find() -> str:
        digest = hashlib.sha256(_content(Path(script)))
        for name, module in zip(names, modules, strict=True):
            digest.update(name.encode())
            digest.update(_content(module))
        return digest.hexdigest()[:12]

    found: str = _known().get(text_key(_text(Path(script)), *names, *texts), find)
    _known().keep()
    return found


@cache
def _known() -> KnownCode:
    return KnownCode(__file__)


def reachable_modules(script: Path | str, *chosen: str) -> set[Path]:
    """The files of all ``nicheclip`` modules that ``script`` imports, near or far, and that count.

    Imports for type checkers alone (``if TYPE_CHECKING``) are not followed.
    """
    found: set[Path] = set()
    open_ends = list(_imports(Path(script)))
    for name in chosen:
        if SOURCE.joinpath(*name.split(".")).with_suffix(".py") not in _modules(name):
            raise ValueError(f"{script}: no module is called {name}")
        open_ends += _modules(name)
    while open_ends:
        module = open_ends.pop()
        if module not in found and _counts(module):
            found.add(module)
            open_ends.extend(_imports(module))
    return found


def _counts(module: Path) -> bool:
    place = module.relative_to(SOURCE / "nicheclip").as_posix()
    return place in WITH_RESULTS or place.split("/")[0] not in WITHOUT_RESULTS


@cache
def _content(path: Path) -> bytes:
    """The syntax tree as text, without docstrings."""
    tree = _parsed(path)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
        # a text that stands alone documents the attribute above it
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if isinstance(body, list):
                setattr(node, name, [child for child in body if not _is_text(child)])
    return ast.dump(tree).encode()


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@cache
def _text(path: Path) -> bytes:
    return path.read_bytes()


def _parsed(path: Path) -> ast.Module:
    return ast.parse(_text(path), str(path))


@cache
def _imports(path: Path) -> frozenset[Path]:
    names = _known().get(text_key(_text(path)), lambda: sorted(_imported_names(path)))
    return frozenset(module for name in names for module in _modules(name))


def _imported_names(path: Path) -> set[str]:
    names: set[str] = set()
    waiting: list[ast.AST] = [_parsed(path)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        waiting.extend(ast.iter_child_nodes(node))
    return {name for name in names if name.split(".")[0] == "nicheclip"}


@cache
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
