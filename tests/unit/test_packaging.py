"""The wheels that users install: what is in them, what they pull, and that they import."""

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {
    "incumbent": ROOT / "clients/python",
    "incumbent-backends": ROOT / "backends",
    "incumbent-server": ROOT / "server",
}
IMPORTS = {
    "incumbent": "import incumbent, incumbent.v1.election_service_pb2_grpc",
    "incumbent-backends": "import incumbent_backends.api, incumbent_backends.registry",
    "incumbent-server": "import incumbent_server.__main__",
}
INSTALL = (ROOT / "README.md").read_text().partition("```sh install\n")[2].partition("```")[0]
# Building and installing want a package index, or a warm cache.
pytestmark = pytest.mark.timeout(300)


def uv(*arguments: str | Path) -> str:
    """Runs uv, and shows all that it said if it fails."""
    ran = subprocess.run(
        [find_uv_bin(), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, f"uv {' '.join(map(str, arguments))}: {ran.stdout}{ran.stderr}"
    return ran.stdout


def project(folder: Path) -> dict[str, object]:
    """The [project] table of the distribution in the folder."""
    table = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert isinstance(table, dict)
    return table


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """One wheel for each distribution, by its name; each by way of its sdist, as releases are."""
    out = tmp_path_factory.mktemp("wheels")
    locked = ROOT / "requirements/build.txt"
    for folder in FOLDERS.values():
        uv("build", "--quiet", "--build-constraints", locked, "--out-dir", out, folder)
    return {canonicalize_name(path.name.split("-")[0]): path for path in out.glob("*.whl")}


def installed(python: Path) -> set[str]:
    listed = uv("pip", "list", "--format", "freeze", "--python", python)
    return {canonicalize_name(line.partition("==")[0]) for line in listed.splitlines()}


def environment(
    folder: Path, wheels: Mapping[str, Path], name: str, *options: str, extra: str = ""
) -> Path:
    """The interpreter of a new environment that holds the one wheel and what it pulls."""
    uv("venv", "--quiet", "--python", sys.executable, folder)
    python = folder / "bin/python"
    # Dependencies among the three come from the same build, and from nowhere else.
    here = wheels[name].parent
    options = options or ("--constraint", str(ROOT / "requirements/runtime.txt"))
    install = ("pip", "install", "--quiet", "--python", python, "--find-links", here)
    uv(*install, *options, f"{wheels[name]}{extra}")
    return python


@pytest.mark.parametrize("name", FOLDERS)
def test_wheel_imports_in_an_empty_environment(
    wheels: Mapping[str, Path], name: str, tmp_path: Path
) -> None:
    python = environment(tmp_path / "venv", wheels, name)
    # -W error: no warning on import; -I: nothing from this checkout.
    subprocess.run([python, "-I", "-W", "error", "-c", IMPORTS[name]], cwd=tmp_path, check=True)


def test_sdk_pulls_grpcio_and_protobuf_alone(wheels: Mapping[str, Path], tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", wheels, "incumbent")
    # typing-extensions is grpcio's own.
    allowed = {"incumbent", "grpcio", "protobuf", "typing-extensions"}
    assert {"incumbent", "grpcio", "protobuf"} <= installed(python) <= allowed


def test_sdk_imports_with_the_oldest_versions_it_allows(
    wheels: Mapping[str, Path], tmp_path: Path
) -> None:
    """The stubs refuse a grpcio or protobuf older than what generated them."""
    lowest = ("--resolution", "lowest", "--only-binary", ":all:")
    python = environment(tmp_path / "venv", wheels, "incumbent", *lowest)
    subprocess.run([python, "-I", "-c", IMPORTS["incumbent"]], check=True)
    listed = uv("pip", "list", "--format", "freeze", "--python", python)
    dependencies = project(FOLDERS["incumbent"])["dependencies"]
    assert isinstance(dependencies, list)
    if sys.version_info >= (3, 14):
        return  # The oldest grpcio with a wheel for it is a newer one.
    for requirement in dependencies:
        assert requirement.split(",")[0].replace(">=", "==") in listed.splitlines()


def test_drivers_of_the_wheel_are_entry_points(wheels: Mapping[str, Path], tmp_path: Path) -> None:
    """Without extras: who needs one says in one sentence what to install."""
    python = environment(tmp_path / "venv", wheels, "incumbent-backends")
    load = (
        "from incumbent_backends.registry import driver, known_schemes\n"
        "for scheme in known_schemes():\n"
        "    try: print(scheme, driver(f'{scheme}://').__name__)\n"
        "    except Exception as error: print(scheme, error)"
    )
    ran = subprocess.run([python, "-I", "-c", load], check=True, capture_output=True, text=True)
    lacks = "cannot be loaded (psycopg is missing): pip install 'incumbent-backends[postgres]'"
    etcd = "cannot be loaded (google is missing): pip install 'incumbent-backends[etcd]'"
    assert {
        "memory Memory",
        "sqlite Sqlite",
        f"etcd the driver for 'etcd' {etcd}",
        f"etcds the driver for 'etcds' {etcd}",
        f"postgres the driver for 'postgres' {lacks}",
        f"postgresql the driver for 'postgresql' {lacks}",
        f"postgres+advisory the driver for 'postgres+advisory' {lacks}",
    } <= set(ran.stdout.splitlines())


def the_extra() -> list[str]:
    extras = project(FOLDERS["incumbent"])["optional-dependencies"]
    assert isinstance(extras, dict)
    return [each.split(",")[0] for each in extras["cli"]]


def oldest_of_the_extra() -> list[str]:
    return [each.replace(">=", "==") for each in the_extra()]


@pytest.mark.slow
@pytest.mark.parametrize(
    "versions",
    [("--constraint", str(ROOT / "requirements/runtime.txt")), oldest_of_the_extra()],
    ids=["locked", "oldest"],
)
def test_the_command_runs_with_its_extra(
    wheels: Mapping[str, Path], tmp_path: Path, versions: Sequence[str]
) -> None:
    python = environment(tmp_path / "venv", wheels, "incumbent", *versions, extra="[cli]")
    incumbent = str(python.with_name("incumbent"))
    words = [incumbent, "run", "--election", "demo", "--gateway", "127.0.0.1:1"]
    ran = subprocess.run([*words, "--timeout", "0.1", "true"], cwd=tmp_path, check=False)
    assert ran.returncode == 69
    ran = subprocess.run([*words, "no-such-command"], cwd=tmp_path, check=False)
    assert ran.returncode == 127


def test_the_command_without_its_extra_says_what_to_install(
    wheels: Mapping[str, Path], tmp_path: Path
) -> None:
    python = environment(tmp_path / "venv", wheels, "incumbent")
    command = python.with_name("incumbent")
    ran = subprocess.run([command, "--help"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "incumbent: the command needs click: pip install 'incumbent[cli]'\n"


@pytest.mark.parametrize("name", FOLDERS)
def test_wheel_holds_all_that_git_knows_of_the_package(
    wheels: Mapping[str, Path], name: str
) -> None:
    folder = FOLDERS[name]
    package = name.replace("-", "_")
    with zipfile.ZipFile(wheels[name]) as wheel:
        names = set(wheel.namelist())
    assert f"{package}/py.typed" in names
    assert any(entry.endswith("licenses/LICENSE") for entry in names)
    # Stubs, SQL and the like are as easily left out as a module.
    wanted = {
        path.relative_to(folder).as_posix()
        for path in (folder / package).rglob("*")
        if path.suffix in {".py", ".pyi", ".sql", ".typed"} and path.is_file()
    }
    assert wanted <= names
    metadata = {entry.split("/")[0] for entry in names} - {package}
    assert [folder.endswith(".dist-info") for folder in metadata] == [True]


def test_the_three_have_one_version_and_one_python() -> None:
    tables = [project(folder) for folder in (ROOT, *FOLDERS.values())]
    assert len({table["version"] for table in tables}) == 1
    assert len({table["requires-python"] for table in tables}) == 1


def test_import_contract_names_every_driver() -> None:
    """The gateway must name no driver: the contract in pyproject.toml lists all there are."""
    groups = project(FOLDERS["incumbent-backends"])["entry-points"]
    assert isinstance(groups, dict)
    drivers = {value.partition(":")[0] for value in groups["incumbent.backends"].values()}
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = [
        set(contract["forbidden_modules"])
        for contract in config["tool"]["importlinter"]["contracts"]
        if contract["name"].startswith("The gateway names no driver")
    ]
    assert listed == [drivers]


def test_root_pyproject_installs_the_same_three() -> None:
    dependencies = project(ROOT)["dependencies"]
    assert isinstance(dependencies, list)
    assert {entry.partition(" ")[0].partition("[")[0] for entry in dependencies} == set(FOLDERS)


def test_what_make_serve_installs_is_enough_for_the_command() -> None:
    locked = (ROOT / "requirements/runtime.txt").read_text().splitlines()
    assert {name.partition(">=")[0] for name in the_extra()} <= {
        line.partition("==")[0] for line in locked
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "commands"),
    [
        (".", ("incumbent", "incumbent-server")),
        ("./clients/python[cli]", ("incumbent",)),
        ("./clients/python", ()),
    ],
)
def test_the_readme_installs_from_a_clone(
    tmp_path: Path, what: str, commands: Sequence[str]
) -> None:
    """By pip, as its readers do; each of the commands that it is to bring runs."""
    assert what in re.findall(r"^pip install '?([^' ]+)", INSTALL, re.MULTILINE)
    uv("venv", "--quiet", "--seed", "--python", sys.executable, tmp_path)
    python = tmp_path / "bin/python"
    locked = (ROOT / "requirements/runtime.txt").read_text()
    versions = tmp_path / "versions.txt"  # without hashes: pip would ask for ours, too
    versions.write_text("\n".join(re.findall(r"^\w.*?(?= \\$)", locked, re.MULTILINE)))
    pip: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    pip += ["--constraint", versions]
    subprocess.run([*pip, what], cwd=ROOT, check=True)
    subprocess.run([python, "-I", "-c", IMPORTS["incumbent"]], cwd=tmp_path, check=True)
    for name in commands:
        subprocess.run([python.with_name(name), "--help"], check=True, capture_output=True)
    if "incumbent-server" in commands:
        server = python.with_name("incumbent-server")
        subprocess.run([server, "schema", "postgres"], check=True, capture_output=True)
