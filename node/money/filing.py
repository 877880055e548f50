"""Filing a wish: the same number with the same content is the same thing, for ever; with other content it is a conflict."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from chain.codec import Wire
from chain.operation import Operation, operation_digest
from node.money.names import Names
from node.money.rows import MoneyRow, MoneyRows
from node.money.steps import MoneySteps
from node.service import Reader, ServiceRefused, Standing

PATHS = {
    "notice": "/v1/fee-notices",
    "order": "/v1/payment-orders",
    "deposit": "/v1/deposits",
    "payee": "/v1/payees",
    "split": "/v1/splits",
    "agreement": "/v1/credit-agreements",
    "hold": "/v1/credit-holds",
    "schedule": "/v1/schedules",
    "appointment": "/v1/appointments",
    "visit": "/v1/visits",
}


class _Known(Exception):
    def __init__(self, standing: Standing) -> None:
        super().__init__()
        self.standing = standing


class Filing:
    def __init__(self, names: Names, rows: MoneyRows, steps: MoneySteps) -> None:
        self.names, self.rows, self.steps = names, rows, steps
        self._last = 0

    async def file(
        self,
        kind: str,
        number: str,
        content: msgspec.Struct,
        make: Callable[[bytes], Sequence[Operation]],
        *,
        holder: bytes = b"",
        private: Wire | None = None,
        due: Sequence[str] = (),
        after: str = "",
        beside: Callable[[], None] = lambda: None,
    ) -> Standing:
        """Carry out what `make` gives for the name of this number, and keep a row of it. `due` are tasks that follow from it.

        Raises ServiceRefused: `business_no_conflict`, or the ledger's code.
        """
        name, mac = self.names.of(kind, number), self._content(kind, content)
        if (known := self._known(kind, name, mac)) is not None:
            return known
        operations = make(name)
        digests = [operation_digest(operation) for operation in operations]

        def keep() -> None:
            if (other := self._known(kind, name, mac)) is not None:  # asked for twice at once
                raise _Known(other)
            self._enter(kind, name, number, mac, digests, holder, private)
            for task in due:
                self.rows.put_due(task, name)
            beside()

        try:
            standing = await self.steps.carry_out(operations, keep, after)
        except _Known as known_now:
            return known_now.standing
        return msgspec.structs.replace(standing, resource=self.path(kind, name))

    def enter(
        self, kind: str, number: str, content: msgspec.Struct, operations: Sequence[Operation], private: Wire
    ) -> None:
        """Keep the row of a wish whose operations somebody else keeps, in the same change."""
        digests = [operation_digest(operation) for operation in operations]
        name, mac = self.names.of(kind, number), self._content(kind, content)
        self._enter(kind, name, number, mac, digests, b"", private)

    def _enter(
        self,
        kind: str,
        name: bytes,
        number: str,
        mac: bytes,
        digests: list[bytes],
        holder: bytes,
        private: Wire | None,
    ) -> None:
        sealed = self.rows.sealed(kind, name, private) if private is not None else b""
        row = MoneyRow(number, mac, digests, holder, self.steps.now_ms(), self.next_sequence(), sealed)
        self.rows.put(kind, name, row)

    def known(self, kind: str, number: str, content: msgspec.Struct) -> Standing | None:
        """What this number stands for already. Raises ServiceRefused `business_no_conflict`."""
        return self._known(kind, self.names.of(kind, number), self._content(kind, content))

    def _content(self, kind: str, content: msgspec.Struct) -> bytes:
        return self.names.of("content", kind, msgspec.json.encode(content))

    def pointed(self, standing: Standing, kind: str, name: bytes) -> Standing:
        """A step is read where what it is about is shown."""
        return msgspec.structs.replace(standing, resource=self.path(kind, name))

    def path(self, kind: str, name: bytes) -> str | None:
        return f"{PATHS[kind]}/{name.hex()}" if kind in PATHS else None

    def holder_of(self, reader: Reader) -> bytes:
        """The asking patient, as this hospital knows them. Raises ServiceRefused `identity_missing`."""
        if reader.identity is None:
            raise ServiceRefused("identity_missing")
        return self.names.holder(reader.identity.id_type, reader.identity.id_number)

    def may_see(self, reader: Reader, holder: bytes) -> bool:
        """A patient sees what is their own, the hospital's people what is the hospital's."""
        if reader.role != "patient":
            return True
        return reader.identity is not None and self.holder_of(reader) == holder

    def next_sequence(self) -> int:
        """Ascending, also over restarts."""
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return self._last

    def _known(self, kind: str, name: bytes, mac: bytes) -> Standing | None:
        row = self.rows.get(kind, name)
        if row is None:
            return None
        standing = self.steps.standing(row.operations, self.path(kind, name))
        is_refused = standing.status == "refused" and standing.code != "already_recorded"
        if is_refused:
            return None  # it may be asked for again
        if row.content != mac:
            raise ServiceRefused("business_no_conflict", "this number stands for something else already")
        return msgspec.structs.replace(standing, repeated=True)


def own_number(number: str, holder: bytes) -> str:
    """A patient's numbers are their own: nobody's number is in another one's way, nor in the hospital's."""
    return number + _suffix(holder)


def asked_number(row: MoneyRow) -> str:
    """As it was asked for, by the hospital or by a patient."""
    return row.number.removesuffix(_suffix(row.holder)) if row.holder else row.number


def _suffix(holder: bytes) -> str:
    return f"@{holder.hex()[:16]}"


def parse_name(text: str, code: str) -> bytes:
    """32 bytes of a path's 64 hexadecimal digits. Raises ServiceRefused with `code`: malformed and unknown look the same."""
    if len(text) != 64 or text != text.lower():
        raise ServiceRefused(code)
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ServiceRefused(code) from None
