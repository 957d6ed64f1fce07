"""Loading, and reloading: in what order, and what if a module fails."""

import sys
from pathlib import Path

import pytest

from erlang import _modules


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that takes a name from a module below it, and one that is imported later."""
    package = tmp_path / "shop_of_the_tests"
    package.mkdir()
    (package / "__init__.py").write_text("from shop_of_the_tests.tax import RATE\n")
    (package / "tax.py").write_text("RATE = 1\n")
    (package / "late.py").write_text("from shop_of_the_tests import RATE\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    for name in [name for name in sys.modules if name.startswith("shop_of_the_tests")]:
        del sys.modules[name]


def test_what_others_take_names_from_comes_first(shop: Path) -> None:
    late = __import__("shop_of_the_tests.late").late
    (shop / "tax.py").write_text("RATE = 1000\n")
    names = [f"shop_of_the_tests{end}" for end in (".tax", "", ".late")]
    assert _modules.reload("shop_of_the_tests") == names
    assert late.RATE == 1000


def test_a_module_below_comes_alone(shop: Path) -> None:
    package = __import__("shop_of_the_tests")
    (shop / "tax.py").write_text("RATE = 1000\n")
    assert _modules.reload("shop_of_the_tests.tax") == ["shop_of_the_tests.tax"]
    assert (package.tax.RATE, package.RATE) == (1000, 1)


def test_loading_is_importing(shop: Path) -> None:
    _modules.load("shop_of_the_tests.late")
    assert "shop_of_the_tests.late" in sys.modules


def test_what_is_not_loaded_stays_so() -> None:
    assert _modules.reload("nothing_of_that_name") == []
    assert "nothing_of_that_name" not in sys.modules


def test_an_error_is_the_modules_own(shop: Path) -> None:
    __import__("shop_of_the_tests")
    (shop / "tax.py").write_text("RATE = = 1\n")
    with pytest.raises(SyntaxError):
        _modules.reload("shop_of_the_tests")
