"""Blank forms: what the hospital says lies at a counter, less what the ledger has of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chain.operation import PrintPaper, TakeBackPaper, VoidBlanks
from node.config_file import ConfigRefused
from node.gateway_store import form_key
from node.paper_stock import FORMS_MAX, read_paper_forms
from node.service import ServiceRefused
from tests.node.gateway_province import PATIENCE_S, Province, bill, sealed, until

STRETCH = {"place": "A01", "code": "4001", "first": "0000000007", "last": "0000000012"}


@pytest.fixture
async def province(tmp_path: Path) -> AsyncIterator[Province]:
    province = Province(tmp_path)
    yield province
    await province.stop()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "paper-forms.json"
    path.write_text(json.dumps([STRETCH, {**STRETCH, "place": "A02", "first": "0000000101", "last": "0000000199"}]))
    return path


async def test_forms_go_down_by_what_any_gateway_used(province: Province, file: Path) -> None:
    """Printed by one, voided by the other; taken back is used all the same; other codes and lengths are other forms."""
    gateway = await province.start("hospital-a", paper_forms=file)
    other = await province.start("hospital-a-2", paper_forms=file)
    first, second = [await sealed(province, gateway, await gateway.issue(bill(f"B-{n}"))) for n in (1, 2)]
    assert await gateway.next_form("A01", "4001") == "0000000007"
    for paper in ("40010000000007", "400100000008", "40020000000008"):
        await gateway.wait(await gateway.move(PrintPaper(first.bill_id or "", paper)), PATIENCE_S, "recorded")
        await gateway.wait(
            await gateway.move(TakeBackPaper(first.bill_id or "", paper, "returned")), PATIENCE_S, "recorded"
        )
    blanks = VoidBlanks(["40010000000008", "40010000000010"], "damaged")
    await other.wait(await other.move(blanks), PATIENCE_S, "recorded")
    for one in (gateway, other):
        await until(lambda one=one: one.store.read(form_key("40010000000010")) is not None)  # type: ignore[misc]
        assert await one.next_form("A01", "4001") == "0000000009"
        row, elsewhere = await one.paper_forms()
        assert (row.place, row.printed, row.voided, row.left) == ("A01", 1, 2, 3)
        assert (elsewhere.place, elsewhere.printed, elsewhere.voided, elsewhere.left) == ("A02", 0, 0, 99)
    assert await gateway.next_form("A02", "4001") == "0000000101"
    assert await gateway.next_form("A02", "4002") is None
    for number in ("09", "11", "12"):
        blank = VoidBlanks([f"400100000000{number}"], "lost")
        await gateway.wait(await gateway.move(blank), PATIENCE_S, "recorded")
    assert await gateway.next_form("A01", "4001") is None
    assert second.bill_id


async def test_what_waits_in_the_outbox_is_used(province: Province, file: Path) -> None:
    gateway = await province.start(paper_forms=file)
    first = await sealed(province, gateway, await gateway.issue(bill()))
    province.hold()
    await gateway.move(PrintPaper(first.bill_id or "", "40010000000007"))
    await gateway.move(VoidBlanks(["40010000000008", "40010000000009"], "lost"))
    assert await gateway.next_form("A01", "4001") == "0000000010"
    assert [(row.printed, row.voided, row.left) for row in await gateway.paper_forms()] == [(0, 0, 3), (0, 0, 99)]
    province.go_on()
    await until(lambda: gateway.store.read(form_key("40010000000009")) is not None)
    assert [(row.printed, row.voided, row.left) for row in await gateway.paper_forms()] == [(1, 2, 3), (0, 0, 99)]


async def test_a_form_that_was_left_out_of_an_answer_is_not_offered(province: Province, file: Path) -> None:
    """The gateway's own index lacks it; the validators know."""
    gateway = await province.start(paper_forms=file)
    await gateway.wait(await gateway.move(VoidBlanks(["40010000000007"], "lost")), PATIENCE_S, "recorded")
    gateway.store.delete(form_key("40010000000007"))
    assert await gateway.next_form("A01", "4001") == "0000000008"
    province.peers["hospital-a"].is_cut = True  # nobody tells: the ledger decides when it is printed
    assert await gateway.next_form("A01", "4001") == "0000000007"


async def test_the_file_is_read_whenever_somebody_asks(province: Province, file: Path) -> None:
    gateway = await province.start(paper_forms=file)
    await asyncio.to_thread(file.write_text, json.dumps([{**STRETCH, "code": "4002"}]))
    assert await gateway.next_form("A01", "4002") == "0000000007"
    await asyncio.to_thread(file.unlink)
    assert await gateway.paper_forms() == []
    await asyncio.to_thread(file.write_text, "{")
    with pytest.raises(ServiceRefused, match="unavailable"):
        await gateway.paper_forms()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{}", "a list of place, code, first, last belongs here"),
        ("[1]", "a list of place, code, first, last belongs here"),
        (b"\xff", "a list of place, code, first, last belongs here"),
        ([{**STRETCH, "more": 1}], "a list of place, code, first, last belongs here"),
        ([{**STRETCH, "code": "a"}], "digits and capital letters"),
        ([{**STRETCH, "code": ""}], "digits and capital letters"),
        ([{**STRETCH, "first": "٠٠٧"}], "3 to 20 digits"),
        ([{**STRETCH, "first": "007"}], "have one length"),
        ([{**STRETCH, "code": "4" * 22, "first": "0" * 11, "last": "0" * 10 + "9"}], "at most 32 characters"),
        ([{**STRETCH, "last": "0000000006"}], f"1 to {FORMS_MAX:,} forms"),
        ([{**STRETCH, "last": "0000020007"}], f"1 to {FORMS_MAX:,} forms"),
        ([STRETCH, {**STRETCH, "place": "A02", "first": "0000000012", "last": "0000000013"}], "stretch 2: some of its"),
        ([{**STRETCH, "code": "4002"}] * 1_001, "at most 1,000 stretches"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_fault(tmp_path: Path, content: Any, words: str) -> None:
    path = tmp_path / "paper-forms.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    with pytest.raises(ConfigRefused) as caught:
        read_paper_forms(path)
    assert words in str(caught.value)


def test_stretches_side_by_side_and_no_file_at_all_are_fine(tmp_path: Path, file: Path) -> None:
    assert [one.count for one in read_paper_forms(file)] == [6, 99]
    assert read_paper_forms(tmp_path / "nothing.json") == []
