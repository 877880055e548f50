"""The columns of a CSV file of bills: the one table, which `docs/csv-import.md` shows.

A header names each by its English name or by its Chinese title, in any order. Only those that are marked have to be there.
"""

from __future__ import annotations

from typing import NamedTuple

BILL, LINE = "bill", "line"


class Column(NamedTuple):
    name: str
    title: str
    of: str  # bill: equal, or empty, in all rows of one bill; line: each row's own
    required: bool
    means: str


COLUMNS: tuple[Column, ...] = (
    Column("business_no", "业务流水号", BILL, True, "the hospital's own serial: one bill each, for ever; in every row"),
    Column("kind", "票据种类", BILL, True, "outpatient 门诊, inpatient 住院, registration 挂号, checkup 体检"),
    Column("business_time", "开票时间", BILL, False, "2026-03-01 09:30:00, or RFC 3339; now if empty or too long ago"),
    Column("place_code", "开票点", BILL, False, "issuing point; `--place`, or the gateway's first, if empty"),
    Column("payer_type", "交款人类型", BILL, False, "person 个人, unit 单位, unknown 不明; a person if empty"),
    Column("payer_name", "交款人", BILL, True, ""),
    Column(
        "payer_id_type", "证件类型", BILL, False, "such as resident_identity_card, passport, unified_social_credit_code"
    ),
    Column("payer_id_number", "证件号", BILL, False, ""),
    Column("total", "总金额", BILL, True, "yuan"),
    Column("insurance_fund", "医保统筹基金支付", BILL, False, "yuan; 0 if empty"),
    Column("personal_account", "个人账户支付", BILL, False, "yuan; 0 if empty"),
    Column("other", "其他支付", BILL, False, "yuan; 0 if empty"),
    Column("cash", "个人现金支付", BILL, False, "yuan; what is left of the total if empty"),
    Column("self_paid", "个人自付", BILL, False, "yuan; 0 if empty"),
    Column("self_funded", "个人自费", BILL, False, "yuan; 0 if empty"),
    Column("cashier", "收款人", BILL, False, "`import` if empty"),
    Column("checker", "复核人", BILL, False, ""),
    Column("remark", "备注", BILL, False, ""),
    Column("group", "结算号", BILL, False, "the hospital's own number of the settlement that several bills belong to"),
    Column("institution_type", "医疗机构类型", BILL, False, ""),
    Column("sex", "性别", BILL, False, ""),
    Column("age", "年龄", BILL, False, ""),
    Column("insurance_type", "医保类型", BILL, False, ""),
    Column("insurance_id", "医保编号", BILL, False, ""),
    Column("insurance_settlement_no", "医保结算号", BILL, False, ""),
    Column("outpatient_no", "门诊号", BILL, False, ""),
    Column("visit_date", "就诊日期", BILL, False, ""),
    Column("medical_record_no", "病历号", BILL, False, ""),
    Column("admission_no", "住院号", BILL, False, ""),
    Column("department", "科别", BILL, False, ""),
    Column("ward", "病区", BILL, False, ""),
    Column("bed_no", "床号", BILL, False, ""),
    Column("admitted", "住院日期", BILL, False, ""),
    Column("discharged", "出院日期", BILL, False, ""),
    Column("days", "住院天数", BILL, False, ""),
    Column("diagnosis", "诊断", BILL, False, "kept from all who are not shown it"),
    Column("deposit_paid", "预缴金额", BILL, False, "yuan; 0 if empty"),
    Column("top_up", "补缴金额", BILL, False, "yuan; 0 if empty"),
    Column("refund", "退费金额", BILL, False, "yuan; 0 if empty"),
    Column("charge_code", "项目编码", LINE, True, "charge category"),
    Column("charge_name", "项目名称", LINE, True, "the first row's of a category counts"),
    Column("item_code", "明细编码", LINE, False, "hospital's code of a drug or service"),
    Column("item_name", "明细名称", LINE, False, "empty: the row is the whole category, without details"),
    Column("specification", "规格", LINE, False, ""),
    Column("unit", "单位", LINE, False, ""),
    Column("quantity", "数量", LINE, False, "three decimals at most; 1 if empty"),
    Column("price", "单价", LINE, False, "yuan, four decimals at most; amount by quantity if empty"),
    Column("amount", "金额", LINE, True, "yuan; the amounts of a bill add up to its total"),
)
OUTCOME = (  # columns that an outcome file has more
    ("status", "issued, same_bill (it was there already, or came twice), refused, not_sent (the run was broken off)"),
    ("bill_id", "18 digits: code and number"),
    ("code", "why it was refused; those of bills are in docs/problems.md"),
    ("detail", "where: line of the file and column, or the place in the bill"),
)
REFUSED = (  # codes of files, beside those of bills
    ("encoding_unknown", "the file is neither UTF-8 nor GB18030"),
    ("file_damaged", "no CSV, or no header"),
    ("column_unknown", "a heading that names no column"),
    ("column_repeated", "a column stands twice"),
    ("column_missing", "a column that must be there is not"),
    ("row_malformed", "more cells than the header has"),
    ("rows_differ", "two rows of one bill state something of the bill differently"),
    ("member_missing", "a cell that must be filled is empty; or a charge has rows with and without details"),
    ("wrong_type", "no decimal number"),
    ("amount_out_of_range", "ten thousand billion yuan, or more"),
    ("time_malformed", "no such time"),
    ("field_refused", "a value that no bill may have"),
)

KINDS = {"门诊": "outpatient", "住院": "inpatient", "挂号": "registration", "体检": "checkup"}
PAYER_TYPES = {"个人": "person", "单位": "unit", "不明": "unknown"}
VISIT_TEXTS = (
    "institution_type", "sex", "age", "insurance_type", "insurance_id", "insurance_settlement_no", "outpatient_no",
    "visit_date", "medical_record_no", "admission_no", "department", "ward", "bed_no", "admitted", "discharged", "days",
    "diagnosis",
)  # fmt: skip
VISIT_AMOUNTS = ("deposit_paid", "top_up", "refund")
