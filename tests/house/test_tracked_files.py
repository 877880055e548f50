"""What every file of the project keeps to."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.house.project import PACKAGES, ROOT, text_of, tracked_files

# Spelt in two parts, so that this file does not hold what it looks for.
REGISTRIES = [
    "py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "crates" + ".io",
    "proxy.golang" + ".org", "maven" + ".org", "deb.debian" + ".org",
]  # fmt: skip
INDEX_SETTINGS = ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX"]
MACHINE_PATH = re.compile(r"(?<![\w.$}~])/(?:home|root|work|Users)/\w")
INVENTED_NAMES = {"utils", "helpers", "common", "misc"}


def test_no_file_names_a_package_registry() -> None:
    """Also not the one that this machine happens to use."""
    own = {urlsplit(word).hostname for name in INDEX_SETTINGS for word in os.environ.get(name, "").split()}
    names = REGISTRIES + sorted(host for host in own if host and "." in host)
    for path in tracked_files():
        content = text_of(path)
        assert not [name for name in names if name in content], path.relative_to(ROOT)


def test_no_file_holds_an_absolute_path_of_a_machine() -> None:
    """Neither the usual ones nor where this checkout lies."""
    here = str(ROOT) if len(ROOT.parts) > 2 else None
    for path in tracked_files():
        content = text_of(path)
        found = MACHINE_PATH.search(content)
        assert found is None, f"{path.relative_to(ROOT)}: {found.group()}"
        assert here is None or here not in content, path.relative_to(ROOT)


def sources() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".py"]


def test_every_source_file_says_what_it_is_for() -> None:
    """STYLE 2: a docstring first. Empty package files of tests excepted."""
    silent = [
        str(path.relative_to(ROOT))
        for path in sources()
        if text_of(path).strip() and ast.get_docstring(ast.parse(text_of(path))) is None
    ]
    assert silent == []


def test_a_file_is_a_noun_of_the_domain() -> None:
    """STYLE 1: never utils, helpers or common."""
    assert [path for path in sources() if path.stem in INVENTED_NAMES] == []


def test_every_folder_of_tests_is_a_package() -> None:
    """STYLE 1: else tests/chain hides chain."""
    for folder in {path.parent for path in sources() if path.is_relative_to(ROOT / "tests")}:
        assert (folder / "__init__.py").is_file(), folder


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_its_page(package: str) -> None:
    """Issue 2, item 1: a README in each package, and an `__init__.py` that says what it is."""
    assert ast.get_docstring(ast.parse(text_of(ROOT / package / "__init__.py")))
    assert (ROOT / package / "README.md").is_file()
