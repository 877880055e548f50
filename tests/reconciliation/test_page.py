"""The page of reconciliation says what the program does."""

from __future__ import annotations

from pathlib import Path

from chain.reconciliation_result import CLASS_NAMES
from docs import reconciliation as page
from tests.reconciliation.conftest import Desk


def test_the_page_is_made_from_the_tables() -> None:
    """`python -m docs.reconciliation` changes nothing."""
    text = page.PAGE.read_text("utf-8")
    assert text == page.page()
    assert all(f"| `{name}` |" in text for name in CLASS_NAMES)


def test_the_files_on_the_page_agree_with_each_other(desk: Desk, tmp_path: Path) -> None:
    examples = {"ours": page.OURS_EXAMPLE, "statement": page.STATEMENT_EXAMPLE, "bank": page.BANK_EXAMPLE}
    for name, text in examples.items():
        (tmp_path / name).write_text(text, "utf-8")
    files = [word for name in examples for word in (f"--{name}", str(tmp_path / name))]
    told = desk.run_files(["--day", "2026-04-20", "--channel", "alipay", *files], name="example")
    assert told.code == 0, told.err
    assert "no differences" in told.out
