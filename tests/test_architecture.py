"""The repository's rules, held by reading the sources: who imports whom, sizes, docstrings, public names."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "flashstep"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# Every part of the package, and the other parts it may import. Nothing imports `cli`.
MAY_IMPORT = {
    "errors": set(),
    "types": {"errors"},
    "user_folder": {"errors"},
    "chat": {"types", "errors"},
    "kernels": set(),
    "model": {"errors"},
    "engine": {"kernels", "model", "user_folder", "types", "errors"},
    "backends": {"engine", "chat", "model", "types", "errors"},
    "export": {"chat", "kernels", "model", "errors"},
    "training": {"backends", "engine", "chat", "model", "types", "errors"},
    "server": {"backends", "chat", "user_folder", "types", "errors"},
    # It measures every layer, so it sees every layer; only the command of its name imports it.
    "bench": {"engine", "kernels", "chat", "model", "types", "errors"},
    "cli": {
        "bench",
        "export",
        "server",
        "training",
        "backends",
        "engine",
        "chat",
        "model",
        "types",
        "errors",
    },
    "__init__": {"backends", "engine", "types"},
    "__main__": {"cli"},
}
# The torch runner; only `load_engine` imports it, when it is asked for.
TORCH_ENGINE_FILES = (
    "runner_torch", "torch_attention", "torch_cache", "torch_device", "torch_experts", "torch_grouped",
    "torch_static", "torch_step",
)  # fmt: skip
# Third-party packages that only some files may import; a path names a file or a folder.
ONLY_IN = {
    "torch": ("model", "training", *(f"engine/{name}.py" for name in TORCH_ENGINE_FILES)),
    "numba": ("kernels",),
    "llvmlite": ("kernels",),
    "fastapi": ("server",),
    "starlette": ("server",),
    "uvicorn": ("server",),
    "typer": ("cli",),
    "rich": ("cli", "training"),
    "triton": ("engine/torch_grouped.py",),
    "matplotlib": ("training",),
    "gguf": ("export/gguf.py",),
    "opentelemetry": ("server/traces/otlp.py",),
}
# These files of model/ are read by the torch-free engine.
TORCH_FREE_MODEL_FILES = ("config.py", "presets.py", "names.py", "checkpoint.py")


def part_of(path: Path) -> str:
    """The part of the package that a source file belongs to: its top folder, or its own name."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import in the file, inside functions and TYPE_CHECKING too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the absolute import"
            module = node.module or ""
            yield node.lineno, module
            if module == "flashstep":
                yield from ((node.lineno, f"flashstep.{alias.name}") for alias in node.names)


def test_every_part_of_the_package_is_in_the_import_table() -> None:
    assert {part_of(path) for path in SOURCES} - {"weights"} <= MAY_IMPORT.keys()


def test_imports_point_one_way() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in SOURCES
        for line, module in imports(path)
        if module.startswith("flashstep.")
        for target in [module.split(".")[1]]
        if target not in ("__version__", part_of(path)) and target not in MAY_IMPORT[part_of(path)]
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_third_party_package_stays_in_its_corner(package: str) -> None:
    corners = tuple(PACKAGE / corner for corner in ONLY_IN[package])
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in SOURCES
        if not any(path == corner or corner in path.parents for corner in corners)
        for line, module in imports(path)
        if module.split(".")[0] == package
    ]
    assert not wrong, f"{package} is imported in {wrong}"


def test_the_shared_files_of_the_model_folder_import_no_torch() -> None:
    for name in TORCH_FREE_MODEL_FILES:
        path = PACKAGE / "model" / name
        wrong = [m for _, m in imports(path) if m.split(".")[0] == "torch"]
        assert not wrong, path
        ours = [m.split(".")[-1] for _, m in imports(path) if m.startswith("flashstep.model.")]
        assert {f"{m}.py" for m in ours} <= set(TORCH_FREE_MODEL_FILES), path


def test_types_and_errors_need_only_the_standard_library() -> None:
    for name in ("types.py", "errors.py"):
        outside = {m.split(".")[0] for _, m in imports(PACKAGE / name)} - sys.stdlib_module_names
        assert outside <= {"flashstep"}, name


@pytest.mark.parametrize(
    "module",
    [
        "flashstep",
        "flashstep.types",
        "flashstep.cli.main",
        "flashstep.server.app",
        "flashstep.backends.chat_model",
        "flashstep.engine.llm",
    ],
)
def test_the_base_install_imports_without_torch(module: str) -> None:
    loaded = modules_after(f"import {module}")
    assert "torch" not in loaded
    assert not any(name.startswith("flashstep.training") for name in loaded)


def test_evaluation_needs_no_torch() -> None:
    assert "torch" not in modules_after("import flashstep.cli.evaluate, flashstep.training.evaluation")


def test_the_command_line_answers_help_without_loading_the_engine() -> None:
    loaded = modules_after("import flashstep.cli.main")
    assert not {"torch", "numba", "numpy", "fastapi", "tokenizers"} & loaded


def test_importing_the_package_loads_nothing_else_of_it() -> None:
    assert {m for m in modules_after("import flashstep") if m.startswith("flashstep")} == {"flashstep"}


def modules_after(statement: str) -> set[str]:
    """The names in sys.modules of a fresh interpreter that ran `statement`, which must print nothing."""
    program = f"{statement}\nimport sys\nprint('MODULES', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("MODULES "), f"importing printed something: {done.stdout[:200]}"
    return set(done.stdout.split()[1:])


def test_the_public_names_are_exactly_these() -> None:
    import flashstep

    assert sorted(flashstep.__all__) == ["ChatModel", "LLM", "Message", "SamplingParams", "__version__"]
    for name in flashstep.__all__:
        assert getattr(flashstep, name) is not None
    assert dir(flashstep) == sorted(flashstep.__all__)


def test_a_wrong_public_name_says_which_exist() -> None:
    import flashstep

    with pytest.raises(AttributeError, match="public names: LLM, ChatModel"):
        _ = flashstep.Engine


def test_no_file_is_longer_than_400_lines() -> None:
    files = [
        p for folder in ("src", "tests", "benchmarks", "examples") for p in (ROOT / folder).rglob("*.py")
    ]
    long = {str(p.relative_to(ROOT)): n for p in files if (n := len(p.read_text().splitlines())) > 400}
    assert not long, long


def test_examples_for_reading_fit_on_a_screen() -> None:
    for name in ("stream.py", "tools.py", "offline.py"):
        assert len((ROOT / "examples" / name).read_text().splitlines()) <= 40, name


def test_init_files_are_empty_below_the_root() -> None:
    full = [p for p in SOURCES if p.name == "__init__.py" and p.parent != PACKAGE and p.read_text()]
    assert not full, full


def test_everything_public_has_a_docstring() -> None:
    missing = [f"{path.relative_to(ROOT)}: {name}" for path in SOURCES for name in undocumented(path)]
    assert not missing, "\n".join(missing)


def undocumented(path: Path) -> Iterator[str]:
    """Names in one file that lack a docstring: the module, its public functions, classes, methods."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not ast.get_docstring(tree) and path.name != "__init__.py":
        yield "the module"
    yield from undocumented_in(tree, "")


def undocumented_in(scope: ast.Module | ast.ClassDef, prefix: str) -> Iterator[str]:
    """Public definitions of a module or class that lack a docstring; forward() is its class's."""
    for node in scope.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.startswith("_") or (prefix and node.name == "forward"):
            continue
        if not ast.get_docstring(node) and not is_overload(node):
            yield f"{prefix}{node.name} (line {node.lineno})"
        if isinstance(node, ast.ClassDef):
            yield from undocumented_in(node, f"{prefix}{node.name}.")


def is_overload(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """True for typing.overload signatures, whose docstring is on the implementation."""
    return any(isinstance(d, ast.Name) and d.id == "overload" for d in node.decorator_list)


def test_the_broad_except_is_only_where_it_is_allowed() -> None:
    allowed = {"engine/async_engine.py", "server/http/errors.py", "server/service.py"}
    allowed.add("server/traces/writer.py")  # nothing that a disk does may end the thread of the traces
    allowed.add("chat/answer_grammar.py")  # a panic of the native compiler has no class that can be named
    allowed.add("chat/tokenizer.py")  # the library refuses files with a bare Exception
    found = {
        str(path.relative_to(PACKAGE)): node.lineno
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or isinstance(node.type, ast.Name)
            and node.type.id in ("Exception", "BaseException")
        )
    }
    assert found.keys() == allowed, found


def test_the_readme_begins_with_the_two_commands_that_set_everything_up() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target}\n" in readme
        assert f"\n{target}: " in makefile
