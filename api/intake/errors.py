"""Why a file, or one bill in it, does not become a request."""

from __future__ import annotations


class FormatRefused(Exception):
    """`code` is stable; `pointer` is the JSON pointer (RFC 6901) of the place in the file; no value of it is repeated.

    Codes: file_unreadable, file_too_large, file_damaged, not_a_bundle, not_a_list, member_missing, wrong_type,
    amount_out_of_range, currency_not_cny, currency_mixed, reference_unknown, status_not_billable, total_missing,
    lines_missing, lines_exceed_total, sum_mismatch, payment_out_of_range, kind_not_a_bill, time_malformed, field_refused,
    of CSV files encoding_unknown, column_unknown, column_repeated, column_missing, row_malformed, rows_differ, of rules of splitting
    line_without_rule, payee_not_bound and those of `chain.rules.division`, and those of `chain.bill.verify_request`.
    """

    def __init__(self, code: str, pointer: str, detail: str = "") -> None:
        super().__init__(f"{code} at {pointer or '/'}" + (f": {detail}" if detail else ""))
        self.code, self.pointer, self.detail = code, pointer, detail
