"""Blank paper forms: which stretches lie at which issuing point the hospital says itself, what became of each form the ledger.

The hospital's side is `config/paper-forms.json`, a list of {place, code, first, last}, read anew whenever somebody asks: a new box of
forms needs no restart. The ledger's side is what all gateways of the hospital printed and voided, as far as it was followed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec

from chain import keyspace
from chain.operation import PrintPaper, VoidBlanks
from chain.proof import CurrentRecord
from node.config_file import ConfigRefused, Problem
from node.gateway_store import GatewayStore
from node.outbox import Outbox
from node.service import PaperForms, ServiceRefused

STRETCHES_MAX = 1_000
FORMS_MAX = 20_000  # of a stretch: a box of them
FILE_BYTES_MAX = 1 << 20
ASKED_MAX = 20  # forms that validators are asked about for one answer
CODE = re.compile(r"[0-9A-Z]{1,22}", re.ASCII)
NUMBER = re.compile(r"[0-9]{3,20}", re.ASCII)
FORM_CHARACTERS_MAX = 32  # of code and number together

Record = Callable[[bytes], Awaitable[CurrentRecord | None]]


class Stretch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Forms under one code, `first` to `last`, at one issuing point."""

    place: str
    code: str
    first: str
    last: str

    def numbers(self) -> Iterator[str]:
        return (f"{number:0{len(self.first)}d}" for number in range(int(self.first), int(self.last) + 1))

    def holds(self, form: str) -> bool:
        number = form.removeprefix(self.code)
        return len(form) == len(self.code + self.first) and number != form and self.first <= number <= self.last

    @property
    def count(self) -> int:
        return int(self.last) - int(self.first) + 1


def read_paper_forms(path: Path) -> list[Stretch]:
    """What the file says; nothing where there is none. Raises ConfigRefused."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigRefused(str(path), [Problem(1, f"more than {FILE_BYTES_MAX >> 20} MiB")])
        stretches = msgspec.json.decode(path.read_bytes(), type=list[Stretch])
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigRefused(str(path), [Problem(1, error.strerror or "cannot be read")]) from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ConfigRefused(
            str(path), [Problem(1, f"a list of place, code, first, last belongs here: {error}")]
        ) from None
    problems = list(_problems(stretches))
    if problems:
        raise ConfigRefused(str(path), [Problem(1, problem) for problem in problems])
    return stretches


def _problems(stretches: list[Stretch]) -> Iterator[str]:
    if len(stretches) > STRETCHES_MAX:
        yield f"at most {STRETCHES_MAX:,} stretches"
        return
    known: dict[tuple[str, int], list[range]] = {}  # (code, length of a number) -> stretches
    for place, one in enumerate(stretches, 1):
        where = f"stretch {place}"
        if not (CODE.fullmatch(one.code) and NUMBER.fullmatch(one.first) and NUMBER.fullmatch(one.last)):
            yield f"{where}: code is digits and capital letters, first and last are 3 to 20 digits"
        elif len(one.first) != len(one.last) or len(one.code + one.first) > FORM_CHARACTERS_MAX:
            yield f"{where}: first and last have one length, with the code at most {FORM_CHARACTERS_MAX} characters"
        elif not 1 <= one.count <= FORMS_MAX:
            yield f"{where}: 1 to {FORMS_MAX:,} forms"
        else:
            numbers = range(int(one.first), int(one.last) + 1)
            others = known.setdefault((one.code, len(one.first)), [])
            if any(numbers.start < other.stop and other.start < numbers.stop for other in others):
                yield f"{where}: some of its forms stand in another stretch"
            others.append(numbers)


class PaperStock:
    def __init__(
        self, organisation: str, path: Path | None, store: GatewayStore, outbox: Outbox, record: Record
    ) -> None:
        """`record` asks validators for a record as it stands now."""
        self._organisation, self._path = organisation, path
        self._store, self._outbox, self._record = store, outbox, record

    def _stretches(self) -> list[Stretch]:
        """Raises ServiceRefused `unavailable` for a file that cannot be used."""
        try:
            return read_paper_forms(self._path) if self._path is not None else []
        except ConfigRefused as refused:
            raise ServiceRefused("unavailable", f"paper-forms.json: {refused.problems[0].text}") from None

    async def rows(self) -> list[PaperForms]:
        """In the order of the file."""
        rows: list[PaperForms] = []
        queued = self._queued()
        for one in self._stretches():
            used = self._used(one)
            printed = sum(1 for bill in used.values() if bill)
            waiting = sum(1 for form in queued if one.holds(form) and form[len(one.code) :] not in used)
            left = one.count - len(used) - waiting
            rows.append(PaperForms(one.place, one.code, one.first, one.last, printed, len(used) - printed, left))
            await asyncio.sleep(0)
        return rows

    async def next_form(self, place: str, code: str) -> str | None:
        """The number of the first form under a code that lies at a place and was never used; None if none is left."""
        queued, asked = self._queued(), 0
        for one in self._stretches():
            if (one.place, one.code) != (place, code):
                continue
            used = self._used(one)
            for number in one.numbers():
                if number in used or code + number in queued:
                    continue
                # what was followed may lack a part: the validators themselves are asked, if they answer
                asked += 1
                form = keyspace.form(self._organisation, code + number)
                if asked > ASKED_MAX or await self._record(form) is None:
                    return number
            await asyncio.sleep(0)
        return None

    def _used(self, one: Stretch) -> dict[str, str]:
        """Number -> the bill printed on that form, or empty: it was voided blank."""
        return self._store.used_forms(one.code, one.first, one.last)

    def _queued(self) -> set[str]:
        """Forms of steps that wait in the outbox."""
        found: set[str] = set()
        for item in self._outbox.items.values():
            if isinstance(item.operation, PrintPaper):
                found.add(item.operation.paper)
            elif isinstance(item.operation, VoidBlanks):
                found.update(item.operation.papers)
        return found
