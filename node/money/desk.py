"""The one door to money, splits and visits at a hospital's gateway: which wish goes where, and who may ask for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import date
from typing import Any, BinaryIO

from chain.operation import CloseOrder, RefundDeposit, RefundPayment
from node.channels.channel import Channel
from node.channels.errors import ChannelError, ChannelRefused, StatementNotReady
from node.gateway_store import GatewayStore
from node.money.appointment_fees import AppointmentFees
from node.money.appointments import Appointments
from node.money.bill_follow import BillFollow, Issue
from node.money.channel_parts import ChannelParts
from node.money.charges import Charges
from node.money.credit import Agreements
from node.money.credit_debts import CreditDebts
from node.money.credit_holds import CreditHolds
from node.money.custody import Custody
from node.money.debt_requests import InstalmentsWish, PaybackWish, RepaymentWish, StatementWish
from node.money.deposits import Deposits
from node.money.filing import Filing
from node.money.names import Names
from node.money.notices import Notices
from node.money.order_ends import OrderEnds
from node.money.orders import Orders
from node.money.our_lines import OurLines
from node.money.pace import PatientPace
from node.money.payees import Payees
from node.money.private_box import PrivateBox
from node.money.refunds import Refunds
from node.money.requests import (
    AgreementWish,
    ChargeWish,
    ClosureWish,
    DepositPaymentWish,
    DepositSettlementWish,
    DepositUseWish,
    DepositWish,
    EndAgreementWish,
    HoldWish,
    InvitationWish,
    NoticeRefundWish,
    NoticeWish,
    OrderWish,
    PaymentWish,
    RefundWish,
    ReleaseWish,
    ReviewWish,
    WithdrawalWish,
)
from node.money.rows import MoneyRows
from node.money.schedules import Schedules
from node.money.split_requests import (
    CustodyWish,
    DebtPaymentWish,
    FinishWish,
    OrderReturnWish,
    PayeeWish,
    PayoutWish,
    ResumptionWish,
    ShareReturnWish,
    SplitRulesWish,
    SplitWish,
    SuspensionWish,
)
from node.money.split_rules import SplitRules
from node.money.splits import Splits
from node.money.steps import MoneySteps
from node.money.top_up_requests import TopUpWish
from node.money.top_ups import TopUps
from node.money.visit_charges import VisitCharges
from node.money.visit_requests import (
    AppointmentWish,
    CancellationWish,
    CheckInWish,
    CloseWish,
    ConfirmationWish,
    FeeWish,
    MissWish,
    ScheduleWish,
    StampWish,
    StopWish,
    SubstitutionWish,
    VisitChargeWish,
    VisitWish,
)
from node.money.visits import Visits
from node.money.wanted_bills import WantedBills, WouldIssue
from node.reconciliation.our_line import OurLine
from node.service import Page, Reader, ServiceRefused, Standing

Do = Callable[[Any, Reader, str], Awaitable[Standing]]
Show = Callable[[str, Reader], Awaitable[dict[str, Any] | None]]
Rows = Callable[[Reader, str | None, int], Awaitable[Page]]


class MoneyDesk:
    """`do` takes a wish, `show` one thing, `rows` a list: of a patient's own, or the hospital's payees."""

    def __init__(
        self,
        store: GatewayStore,
        mac_key: bytes,
        storage_key: bytes,
        steps: MoneySteps,
        issue: Issue,
        would_issue: WouldIssue,
        channels: Mapping[str, Channel],
    ) -> None:
        self.rows_kept = MoneyRows(store, PrivateBox(storage_key))
        self.steps = steps
        self.filing = Filing(Names(mac_key), self.rows_kept, steps)
        self._pace = PatientPace(steps.now_ms)
        bills = WantedBills(self.filing, would_issue)
        notices, orders = Notices(self.filing, bills), Orders(self.filing, channels)
        self.refunds, deposits = Refunds(self.filing), Deposits(self.filing)
        self.channels = channels
        self.parts = ChannelParts(self.filing, channels)
        self.parts.on_voucher = deposits.add_voucher
        self.ends = OrderEnds(self.filing, self.parts.look_now)
        self.top_ups = TopUps(self.filing, self.parts)
        holds = CreditHolds(self.filing)
        agreements, self.charges = Agreements(self.filing, holds), Charges(self.filing, holds, bills)
        self.debts = CreditDebts(self.filing)
        self.schedules, visits = Schedules(self.filing, bills), Visits(self.filing, holds, bills)
        appointments = Appointments(self.filing, self.schedules)
        self.fees = AppointmentFees(self.filing, self.schedules, appointments)
        visit_charges = VisitCharges(self.filing, self.charges, visits)
        payees, rules, custody = Payees(self.filing), SplitRules(self.filing), Custody(self.filing)
        splits = Splits(self.filing, payees, rules)
        self.follow = BillFollow(self.rows_kept, steps, {"bill": notices, "visit": visits}, issue)
        self._do: dict[type, Do] = {
            NoticeWish: notices.issue,
            WithdrawalWish: notices.withdraw,
            OrderWish: orders.place,
            PaymentWish: orders.take,
            ClosureWish: orders.close,
            RefundWish: self.refunds.refund,
            NoticeRefundWish: self.refunds.refund_notice,
            DepositWish: deposits.open,
            DepositPaymentWish: deposits.pay,
            DepositUseWish: deposits.use,
            DepositSettlementWish: deposits.settle,
            AgreementWish: agreements.sign,
            EndAgreementWish: agreements.end,
            HoldWish: holds.hold,
            ReleaseWish: holds.release,
            ReviewWish: holds.review,
            ChargeWish: self.charges.charge,
            RepaymentWish: self.debts.repay,
            PaybackWish: self.debts.pay_back,
            StatementWish: self.debts.state,
            InstalmentsWish: self.debts.agree,
            ScheduleWish: self.schedules.publish,
            StopWish: self.schedules.stop,
            SubstitutionWish: self.schedules.substitute,
            AppointmentWish: appointments.book,
            FeeWish: self.fees.ask,
            ConfirmationWish: appointments.confirm,
            CancellationWish: appointments.cancel,
            CheckInWish: appointments.check_in,
            MissWish: appointments.miss,
            VisitWish: visits.open,
            StampWish: visits.stamp,
            VisitChargeWish: visit_charges.charge,
            CloseWish: visits.close,
            PayeeWish: payees.bind,
            SuspensionWish: payees.suspend,
            ResumptionWish: payees.resume,
            PayoutWish: payees.pay_out,
            DebtPaymentWish: payees.pay_debt,
            SplitRulesWish: rules.publish,
            SplitWish: splits.split,
            FinishWish: splits.finish,
            ShareReturnWish: splits.take_back,
            OrderReturnWish: splits.give_back,
            CustodyWish: custody.supervise,
        }
        self._show: dict[str, Show] = {
            "notice": notices.page,
            "order": orders.page,
            "refund": self.refunds.page,
            "deposit": deposits.page,
            "agreement": agreements.page,
            "hold": holds.page,
            "schedule": self.schedules.page,
            "appointment": appointments.page,
            "visit": visits.page,
            "timeline": visits.timeline_page,
            "payee": payees.page,
            "payee_history": payees.history_page,
            "split_rules": rules.page,
            "split": splits.page,
            "split_history": splits.history_page,
            "division": splits.division_page,
            "custody": custody.page,
        }
        self._rows: dict[str, Rows] = {
            "notice": notices.of_patient,
            "deposit": deposits.of_patient,
            "agreement": agreements.of_patient,
            "appointment": appointments.of_patient,
            "visit": visits.of_patient,
            "payee": payees.listed,
        }

    async def do(self, wish: Any, reader: Reader, target: str = "") -> Standing:
        """Keep what becomes of a wish; `target` is what of the path it is about. Raises ServiceRefused with the code that the
        ledger would give now, or one of content."""
        self._count(reader)
        standing = await self._do[type(wish)](wish, reader, target)
        await self.rows_kept.flushed()
        return standing

    async def invite(self, wish: InvitationWish, reader: Reader, target: str) -> dict[str, Any]:
        """What the payer of a part opens. Raises ServiceRefused."""
        self._count(reader)
        return await self.parts.invite(wish, reader, target)

    async def invite_top_up(self, wish: TopUpWish, reader: Reader, target: str) -> dict[str, Any]:
        """The same for a payment into a deposit. Raises ServiceRefused."""
        self._count(reader)
        return await self.top_ups.invite(wish, reader, target)

    def _count(self, reader: Reader) -> None:
        """Raises ServiceRefused `too_many_requests`, `identity_missing`."""
        if reader.role == "patient":
            self._pace.count(self.filing.holder_of(reader))

    async def hear(self, channel: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str, bytes]:
        """A channel's notice: (status, media type, body) of the answer. Raises ServiceRefused `not_found`."""
        return await self.parts.hear(channel, headers, body)

    def our_lines(self, channel: str, day: int) -> AsyncIterator[OurLine]:
        """What this gateway has of a channel's day, yyyymmdd. Raises ServiceRefused `channel_unknown`."""
        if channel not in self.channels:
            raise ServiceRefused("channel_unknown")
        return OurLines(self.filing).lines(channel, day)

    async def statement(self, channel: str, day: date, target: BinaryIO) -> None:
        """The channel's own file of a day, as it came. Raises ServiceRefused `channel_unknown`, `statement_not_ready`,
        `channel_unreachable`, `channel_refused`."""
        asked = self.channels.get(channel)
        if asked is None:
            raise ServiceRefused("channel_unknown")
        try:
            await asked.statement(day, target)
        except StatementNotReady:
            raise ServiceRefused("statement_not_ready") from None
        except ChannelRefused as error:
            raise ServiceRefused("channel_refused", str(error)) from None
        except ChannelError as error:
            raise ServiceRefused("channel_unreachable", str(error)) from None

    def on_paid(self, order: bytes) -> None:
        """A block has recorded a payment of this order."""
        self.follow.on_paid(order)
        self.fees.look_now()
        self.parts.look_now()

    def on_back(self, operation: CloseOrder | RefundPayment | RefundDeposit) -> None:
        """A block has recorded that money is to go back."""
        if isinstance(operation, CloseOrder):
            self.ends.on_closed(operation)
        else:
            self.parts.on_refunded(operation)

    async def show(self, kind: str, target: str, reader: Reader) -> dict[str, Any] | None:
        """None where there is nothing, or nothing for the reader. Raises ServiceRefused with the kind's `…_unknown`."""
        return await self._show[kind](target, reader)

    async def rows(self, kind: str, reader: Reader, after: str | None, limit: int) -> Page:
        return await self._rows[kind](reader, after, limit)

    async def schedules_of(self, department: str, day: int, after: str | None, limit: int) -> Page:
        """Of a day, yyyymmdd, as far as this gateway published them; `department` may be empty."""
        return await self.schedules.of_day(department, day, after, limit)

    def waits(self) -> dict[str, dict[str, int]]:
        """What this gateway could not do by itself, by part and reason: where people have to look."""
        parts = {
            "appointment_fees": self.fees.waiting,
            "bills": self.follow.waiting,
            "channels": self.parts.waiting,
            "debts": self.debts.waiting,
            "order_ends": self.ends.waiting,
        }
        return {part: waiting.counts() for part, waiting in parts.items() if waiting.codes}

    def told(self, standing: Standing) -> Standing:
        """After a wait: with the culprit's code, and the path of what was made."""
        return self.steps.told(standing)
