"""The fingerprint: what changes it, and what does not."""

import os
from pathlib import Path

import pytest

from erlang._requirements import Requirements


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative paths begin in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)


def write(path: str, text: str) -> Path:
    """A file, with the folders above it."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def of(*lines: str) -> str:
    return Requirements(None, list(lines)).fingerprint()


def of_file(path: str) -> str:
    return Requirements(os.path.abspath(path), []).fingerprint()


def test_lines_are_told_apart() -> None:
    assert of("six") == of("six")
    assert len({of(), of("six"), of("six", "idna"), of("six>=1")}) == 4


def test_files_count_with_all_that_they_include() -> None:
    write("requirements.txt", "six\n-r more/one.txt  # and these\n--constraint=limits.txt\n")
    one = write("more/one.txt", "idna\n-rtwo.txt\n")
    two = write("more/two.txt", "-r one.txt\n")
    limits = write("limits.txt", "idna<4\n")
    seen = {of_file("requirements.txt")}
    for file in (one, two, limits):
        file.write_text(file.read_text() + "attrs\n")
        seen.add(of_file("requirements.txt"))
    assert len(seen) == 4


def test_a_file_that_is_missing_is_an_error() -> None:
    write("requirements.txt", "-r nowhere.txt\n")
    with pytest.raises(FileNotFoundError):
        of_file("requirements.txt")
    assert of("-r https://example.org/requirements.txt")


@pytest.mark.parametrize(
    "line",
    [
        "./shop",
        "shop/",
        "./shop[extra]; python_version > '3'",
        "shop @ file://{folder}/shop",
        "file://{folder}/shop",
        "{folder}/shop",
    ],
)
def test_a_local_folder_counts_with_its_content(line: str, tmp_path: Path) -> None:
    line = line.format(folder=tmp_path)
    source = write("shop/shop/__init__.py", "RATE = 1\n")
    write("shop/pyproject.toml", "[project]\n")
    before = of(line)
    for aside in ("shop/.git/x", "shop/shop/__pycache__/x", "shop/build/x", "shop/a.egg-info/x"):
        write(aside, "")
    write("shop/.venv/pyvenv.cfg", "")
    assert of(line) == before
    source.write_text("RATE = 2\n")
    assert of(line) != before
    assert Requirements(None, [line]).local() == [str(tmp_path / "shop")]


@pytest.mark.parametrize("option", ["-e ", "-e", "--editable ", "--editable="])
def test_one_installed_in_place_counts_with_how_it_is_built(option: str) -> None:
    source = write("shop/shop.py", "RATE = 1\n")
    project = write("shop/pyproject.toml", "[project]\n")
    before = of(f"{option}./shop")
    source.write_text("RATE = 2\n")
    assert of(f"{option}./shop") == before
    project.write_text("[project]\nname = 'shop'\n")
    assert of(f"{option}./shop") != before


def test_an_archive_counts_with_its_content() -> None:
    wheel = write("shop-1.0-py3-none-any.whl", "one")
    before = of(wheel.name)
    wheel.write_text("two")
    assert of(wheel.name) != before


@pytest.mark.parametrize("line", ["six", "six==1.0", "a @ https://example.org/a.zip", "--pre", "x"])
def test_other_lines_are_not_taken_for_paths(line: str) -> None:
    write("x", "")
    assert Requirements(None, [line]).local() == []


def test_relative_paths_hold_in_another_folder_too(tmp_path: Path) -> None:
    write("shop/pyproject.toml", "[project]\n")
    write("more.txt", "six\n")
    lines = ["six", "./shop[extra]", "-e ./shop", "-r more.txt", "a @ https://example.org/a.zip"]
    assert Requirements(None, lines).text().splitlines() == [
        "six",
        f"{tmp_path}/./shop[extra]",
        f"-e {tmp_path}/./shop",
        f"-r {tmp_path}/more.txt",
        "a @ https://example.org/a.zip",
    ]


def test_a_project_is_known_by_its_name() -> None:
    project = write("pyproject.toml", "[project]\ndependencies = ['-r nonsense']\n")
    requirements = Requirements(str(project.absolute()), [])
    assert requirements.is_project
    assert requirements.local() == []
    before = requirements.fingerprint()
    project.write_text("[project]\ndependencies = []\n")
    assert requirements.fingerprint() != before
