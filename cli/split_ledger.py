"""What the ledger has of an order's division, derived from a node's blocks alone.

Every block is checked from genesis on: the certificate that a quorum of agencies signed, the signatures, and each step's
execution, whose root is the one they signed. So what is read here is what the agencies agreed on, whatever the node says of itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.exit_codes import ExitCode
from cli.failures import CommandFailed

if TYPE_CHECKING:
    from chain.ledger import Ledger
    from chain.records import AttestedBody, OrderBody, SplitBody
    from chain.state import SavedState as State
    from node.rebuild_replay import Replay

WITH_BLOCKS = ("mirror", "validator")


@contextmanager
def derived(home: Path, node: str | None) -> Iterator[Replay]:
    """The ledger as DIR/nodes/NODE has its blocks, beside the running node or not; the first mirror's if none is named.

    Raises CommandFailed `argument_refused`, and with exit 3 what a block does not hold of.
    """
    from chain.block_log import BlockLog
    from chain.errors import ChainError
    from chain.genesis import genesis_from_json
    from node.config import load_node_config
    from node.home import NetworkHome
    from node.network_file import load_network_file
    from node.rebuild_replay import Replay

    entries = load_network_file(home).nodes
    found = [one for one in entries if one.kind in WITH_BLOCKS and node in (None, one.name)]
    mirrors = [one for one in found if one.kind == "mirror"] or found
    if not mirrors:
        raise CommandFailed("argument_refused", f"no node here has blocks under the name of {node}")
    place = NetworkHome(home).node(mirrors[0].name)
    genesis = genesis_from_json((home / "genesis.json").read_bytes())
    with tempfile.TemporaryDirectory(prefix="medbill-split-") as directory:
        replay = Replay(Path(directory) / "derived", genesis, indexes=False)
        try:
            log = BlockLog.open_read_only(load_node_config(place.root).data_dir / "blocks")
            try:
                for height in range(1, log.height + 1):
                    replay.take(log.read(height))
            finally:
                log.close()
            replay.ledger.flush()
            yield replay
        except ChainError as refusal:
            detail = f"{mirrors[0].name}, block {replay.height + 1}: {refusal}"
            raise CommandFailed(str(getattr(refusal, "code", "block_invalid")), detail, ExitCode.INVALID) from None
        finally:
            replay.close()


def order_page(
    home: Path, node: str | None, organisation: str, order: bytes, names: Mapping[bytes, str]
) -> dict[str, Any]:
    """An order of an organisation's and what became of its money, beside the sums of all accounts (fen).

    `names`: of payees on the ledger, as people call them; others are shown by the digits that the ledger has. `balanced`: what
    was split less what came back, what is left and what was refunded are together what was paid, but for what payees still owe;
    and debits equal credits over all accounts of the ledger. Raises CommandFailed `order_unknown` with exit 4.
    """
    with derived(home, node) as replay:
        page = page_of(replay.ledger, organisation, order, names)
        certificate = replay.certificate
        return page | {
            "height": replay.height,
            "state_root": replay.ledger.head.state_root.hex(),
            "signatures": len(certificate.signatures) if certificate is not None else 0,
        }


def page_of(ledger: Ledger, organisation: str, order: bytes, names: Mapping[bytes, str]) -> dict[str, Any]:
    """`order_page` of a ledger that is flushed, without what its last block is."""
    from chain import keyspace
    from chain.records import OrderBody, OrderSplitBody, SplitBody

    state = ledger.state
    body = state.get(keyspace.order(organisation, order), OrderBody)
    if body is None:
        raise CommandFailed("order_unknown", f"{organisation} has no such order on the ledger", ExitCode.NOT_FOUND)
    became = state.get(keyspace.order_split(organisation, order), OrderSplitBody)
    shares: list[dict[str, Any]] = []
    for name in became.splits if became is not None else []:
        split = state.get(keyspace.split(organisation, name), SplitBody)
        assert split is not None  # the order's record names it
        shares += _shares(state, organisation, split, names)
    debits_fen, credits_fen = account_sums(ledger)
    split_fen = sum(row["amount_fen"] for row in shares)
    back_fen = sum(row["taken_back_fen"] for row in shares)
    page = {
        "organisation": organisation,
        "order": order.hex(),
        "total_fen": body.total_fen,
        "paid_fen": body.total_fen if body.paid_ms else 0,
        "refunded_fen": _refunded_fen(state, organisation, body),
        "free_fen": body.free_fen,
        "rest_fen": became.rest_fen if became is not None else 0,
        "split_fen": split_fen,
        "taken_back_fen": back_fen,
        "owed_fen": became.owed_fen if became is not None else 0,
        "advanced_fen": became.advanced_fen if became is not None else 0,
        "shares": shares,
        "findings": _findings(ledger, organisation),
        "ledger_debits_fen": debits_fen,
        "ledger_credits_fen": credits_fen,
    }
    page["balanced"] = debits_fen == credits_fen and is_conserved(page)
    return page


def is_conserved(page: dict[str, Any]) -> bool:
    """What came in is where it went, but for what payees owe and nobody has put in for them yet."""
    went_fen = page["split_fen"] - page["taken_back_fen"] + page["free_fen"] + page["rest_fen"] + page["refunded_fen"]
    return bool(went_fen == page["paid_fen"] - page["owed_fen"] + page["advanced_fen"])


def _refunded_fen(state: State, organisation: str, order: OrderBody) -> int:
    from chain import keyspace
    from chain.records import NoticeBody

    notices = [state.get(keyspace.notice(organisation, name), NoticeBody) for name in order.notices]
    return sum(notice.refunded_fen for notice in notices if notice is not None)


def _shares(state: State, organisation: str, split: SplitBody, names: Mapping[bytes, str]) -> list[dict[str, Any]]:
    """By line and rule, with what each payee's account has now; None where it is another organisation's or the signer's own."""
    from chain import keyspace
    from chain.records import AccountBody, PayeeBody, SplitRulesBody

    rules = state.get(keyspace.split_rules(organisation, split.rules, split.version), SplitRulesBody)
    assert rules is not None  # a split without rules is refused
    by_kind = {line.kind: line for line in rules.lines}
    rows = []
    for place, share in enumerate(split.shares):
        payee = state.get(keyspace.payee(organisation, share.payee), PayeeBody)
        assert payee is not None  # nothing is split to somebody unbound
        account = state.get(keyspace.account(payee.account), AccountBody)
        line = by_kind[share.line]
        rows.append(
            {
                "share": place,
                "payee": names.get(share.payee, share.payee.hex()[:16]),
                "kind": payee.kind,
                "line": share.line,
                "rule": rule_text(line.shares[share.rule], line.whole),
                "amount_fen": share.amount_fen,
                "taken_back_fen": split.taken_back_fen[place],
                "paper": share.paper,
                "standing": "suspended" if payee.reason else "active",
                "changes": payee.changes,
                "owed_fen": sum(debt.amount_fen for debt in payee.owed),
                "account": f"{payee.account.owner}/{payee.account.account.hex()}",
                "balance_fen": account.credits_fen - account.debits_fen if account is not None else 0,
            }
        )
    return rows


def rule_text(share: Any, whole: int) -> str:
    """45 %, 1/3 where that is no hundredth of a percent, 0.60 where it is fixed, or rest."""
    from chain.records import FIXED, SHARE
    from cli.output import yuan

    if share.way == FIXED:
        return yuan(share.amount_fen)
    if share.way != SHARE:
        return "rest"
    percent, left = divmod(share.parts * 10_000, whole)
    return str(Fraction(share.parts, whole)) if left else f"{yuan(percent).rstrip('0').rstrip('.')} %"


def account_sums(ledger: Ledger) -> tuple[int, int]:
    """Debits and credits of all accounts of the ledger."""
    from chain.records import AccountBody

    debits_fen = credits_fen = 0
    for _key, body in _records(ledger, _accounts(), AccountBody):
        debits_fen, credits_fen = debits_fen + body.debits_fen, credits_fen + body.credits_fen
    return debits_fen, credits_fen


def _accounts() -> bytes:
    from chain import keyspace

    return keyspace.ACCOUNTS


def _findings(ledger: Ledger, organisation: str) -> list[dict[str, Any]]:
    """Days on which the bank's word and the ledger differ."""
    from chain.records import AttestedBody
    from chain.rules.supervision import difference_fen

    found: list[dict[str, Any]] = []
    attested: AttestedBody
    for key, attested in _records(ledger, f"attested/{organisation}/".encode(), AttestedBody):
        difference = difference_fen(attested)
        if difference:
            day = key.rsplit(b"/", 1)[-1].decode()
            found.append({"code": "supervised_balance_mismatch", "day": day, "difference_fen": difference})
    return found


def _records(ledger: Ledger, prefix: bytes, kind: Any) -> Iterator[tuple[bytes, Any]]:
    from chain import keyspace
    from chain.state import body_of, record_of
    from chain.stored_record import entry_of

    for key, value in ledger.state.store.scan(keyspace.stored_record(prefix)):
        yield key, body_of(record_of(entry_of(value)[1]), kind)
