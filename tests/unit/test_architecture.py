"""Architecture rules: allowed imports, sizes of modules and functions, and lock files."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = (
    *("domain", "workflows", "activities", "adapters", "api", "simulator", "devstack", "migrations", "benchmarks"),
    *("client", "cli"),
)
MODULES = ("settings", "settings_fields", "worker", "worker_parts")
OURS = frozenset((*ROOMS, *MODULES, "autos_client", "autos_client_cli"))

# The project's rooms that each room may import at run time. Imports only for annotations do not count:
# activities and the API receive their adapters as arguments, and import only their types.
MAY_IMPORT = {
    "domain": set[str](),
    "workflows": {"domain", "activities"},
    "activities": {"domain"},
    "adapters": {"domain", "workflows"},
    "api": {"domain", "workflows"},
    "simulator": {"domain"},
    "migrations": {"adapters"},
    "settings": {"domain", "settings_fields"},
    "settings_fields": {"domain"},
    # A separate package, which does not need the rest.
    "client": {"autos_client", "autos_client_cli"},
}
# The modules that wire things together may import more.
WIRING = {"api/app.py": {"adapters", "settings"}, "api/deps.py": {"adapters"}, "cli/key.py": {"adapters"}}

VENDORS = {
    "aioboto3": {"adapters/storage/"},
    "aiobotocore": {"adapters/storage/"},
    "aiohttp": {"adapters/storage/"},
    "botocore": {"adapters/storage/", "devstack/object_store.py"},
    "sqlalchemy": {"adapters/database/", "migrations/"},
    "alembic": {"adapters/database/", "migrations/"},
    "httpx2": {"adapters/court_pdpj/", "devstack/", "client/"},
    "cryptography": {"adapters/security/encryption.py", "devstack/object_store.py"},
    "httpcore2": {"adapters/webhooks/"},
    "standardwebhooks": {"adapters/webhooks/", "devstack/", "client/"},
    "fpdf": {"adapters/bundles/"},
    "pikepdf": {"adapters/bundles/", "adapters/content/pdf_inspection_program.py"},
    "PIL": {"adapters/bundles/"},
    "striprtf": {"adapters/bundles/"},
    "weasyprint": {"adapters/bundles/html_conversion.py"},
    "puremagic": {"adapters/content/media_types.py"},
    "fastapi": {"api/"},
    "jinja2": {"api/pages/"},
    "limits": {"adapters/security/rate_limits.py"},
    "opentelemetry": {"adapters/telemetry/"},
    "requests": {"adapters/telemetry/"},
    "prometheus_client": {"api/services/metrics.py"},
    "uvicorn": {"api/server/http_limits.py", "cli/main.py", "simulator/server.py"},
    "temporalio": {"adapters/temporal/", "workflows/", "activities/", "worker.py", "worker_parts.py", "devstack/"},
    "pydantic": {"api/", "settings.py", "settings_fields.py", "client/"},
    "pydantic_settings": {"settings.py", "settings_fields.py", "devstack/"},
    "typer": {"cli/", "client/autos_client_cli/"},
    "rich": {"client/autos_client_cli/", "devstack/"},
}
MAX_FUNCTION_LINES = 80
# What a workflow must not import, directly or transitively: code that Temporal replays does no I/O.
IO = {"httpx2", "aioboto3", "sqlalchemy", "httpcore2", "fastapi", "uvicorn", "requests", "subprocess", "pydantic"}


@dataclass(frozen=True)
class Import:
    """An import that runs, not one for annotations only."""

    file: str
    line: int
    name: str
    names: tuple[str, ...] = ()

    @property
    def top(self) -> str:
        """The package imported from."""
        return self.name.partition(".")[0]


def _list_code_files() -> Iterator[Path]:
    for room in ROOMS:
        yield from sorted((ROOT / room).rglob("*.py"))
    yield from (ROOT / f"{module}.py" for module in MODULES)


def _read_imports(path: Path) -> Iterator[Import]:
    file = path.relative_to(ROOT).as_posix()
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            pending += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively"
            yield Import(file, node.lineno, node.module or "", tuple(alias.name for alias in node.names))
        pending += ast.iter_child_nodes(node)


@cache
def _read_all_imports() -> tuple[Import, ...]:
    return tuple(found for path in _list_code_files() for found in _read_imports(path))


def _get_room(file: str) -> str:
    return file.partition("/")[0].removesuffix(".py")


def test_each_room_imports_only_allowed_rooms() -> None:
    broken = [
        f"{found.file}:{found.line} imports {found.name}"
        for found in _read_all_imports()
        if found.top in OURS
        and (room := _get_room(found.file)) in MAY_IMPORT
        and found.top != room
        and found.top not in MAY_IMPORT[room] | WIRING.get(found.file, set())
    ]
    assert broken == []


def test_app_state_is_used_in_two_modules_of_the_api() -> None:
    users = {path.name for path in (ROOT / "api").rglob("*.py") if "app.state" in path.read_text()}
    assert users == {"app.py", "deps.py"}


def test_domain_imports_only_the_standard_library() -> None:
    foreign = {
        f"{found.file}:{found.line} imports {found.name}"
        for found in _read_all_imports()
        if _get_room(found.file) == "domain" and found.top not in sys.stdlib_module_names | {"domain", "__future__"}
    }
    assert foreign == set()


@pytest.mark.parametrize("vendor", VENDORS)
def test_each_vendor_library_is_imported_only_in_its_room(vendor: str) -> None:
    elsewhere = [
        f"{found.file}:{found.line}"
        for found in _read_all_imports()
        if found.top == vendor
        and _get_room(found.file) != "benchmarks"
        and not any(found.file.startswith(room) for room in VENDORS[vendor])
    ]
    assert elsewhere == []


def test_adapters_import_no_other_adapter_except_logs_and_sandbox() -> None:
    def adapter(name: str) -> str:
        return name.removeprefix("adapters").strip("./").replace("/", ".").split(".")[0]

    across = {
        (adapter(found.file), adapter(found.name))
        for found in _read_all_imports()
        if _get_room(found.file) == "adapters"
        and found.top == "adapters"
        and adapter(found.file) != adapter(found.name)
        and adapter(found.name) not in {"logs", "sandbox"}
    }
    assert across == set()


def test_workflows_import_nothing_that_does_io() -> None:
    # Imports of the SDK and of the logging library are ignored: we cannot change them.
    program = (
        "import sys, temporalio.workflow, temporalio.common, temporalio.activity, structlog\n"
        "known = set(sys.modules)\n"
        "import workflows.download_process, workflows.download_batch\n"
        "import workflows.monitor_court, workflows.review_alerts\n"
        "import workflows.erase_process, workflows.sweep_erasures\n"
        "import workflows.sweep_uploads, workflows.sweep_deliveries, workflows.sweep_batches\n"
        "import workflows.sweep_history\n"
        "import workflows.audit_store\n"
        f"print(sorted(set({sorted(IO)!r}) & (sys.modules.keys() - known)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert found == "[]"


def test_whoever_orders_a_bundle_loads_none_of_the_libraries_that_build_it() -> None:
    program = (
        "import sys, adapters.bundles.conversion, adapters.bundles.pdf, adapters.bundles.zip_archive\n"
        "print(sorted({'fpdf', 'pikepdf', 'PIL', 'striprtf', 'weasyprint'} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_tree_holds_no_packages() -> None:
    # What `pip download` leaves. Git keeps such files for ever.
    assert [file.name for pattern in ("*.whl", "*.tar.gz") for file in ROOT.glob(pattern)] == []


def test_modules_are_not_too_long() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {count}"
        for path in (*_list_code_files(), *sorted((ROOT / "tests").rglob("*.py")))
        if (count := len(path.read_text().splitlines())) > 400
    ]
    assert long == []


def test_functions_are_not_too_long() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {lines}"
        for path in _list_code_files()
        if path.parent.name != "versions"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_modules_have_no_import_cycles() -> None:
    modules = {_module_name(path): path for path in _list_code_files()}
    graph = {
        name: {
            target
            for found in _read_imports(path)
            for target in _imported_modules(found, modules)
            if target != name
        }
        for name, path in modules.items()
    }
    assert list(_find_cycles(graph)) == []


def _module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[1:] if parts[0] == "client" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported_modules(found: Import, modules: Mapping[str, Path]) -> Iterator[str]:
    """Yield the modules that an import runs: the named one, and submodules that it names in turn."""
    submodules = [f"{found.name}.{name}" for name in found.names if f"{found.name}.{name}" in modules]
    if submodules:
        yield from submodules
    elif found.name in modules:
        yield found.name


def _find_cycles(graph: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """Yield the import path of each module that imports itself transitively."""
    for start in sorted(graph):
        ways, seen = [[start]], {start}
        while ways:
            way = ways.pop()
            for target in graph[way[-1]]:
                if target == start:
                    yield [*way, start]
                    ways = []
                    break
                if target not in seen:
                    seen.add(target)
                    ways.append([*way, target])


def test_lock_files_have_hashes_and_no_urls() -> None:
    for name in ("requirements.lock", "requirements.runtime.lock"):
        lines = (ROOT / name).read_text().splitlines()
        assert not [line for line in lines if "://" in line or line.startswith("--")]
        pinned = [index for index, line in enumerate(lines) if "==" in line and not line.lstrip().startswith("#")]
        assert pinned
        assert all("--hash=sha256:" in lines[index + 1] for index in pinned)


def test_lock_files_agree_on_versions() -> None:
    def versions(name: str) -> dict[str, str]:
        lines = (ROOT / name).read_text().splitlines()
        found = (line.split(" ")[0].partition("==") for line in lines if "==" in line and line[0].isalnum())
        return {package: version for package, _, version in found}

    everything, runtime = versions("requirements.lock"), versions("requirements.runtime.lock")
    assert runtime.items() <= everything.items()
