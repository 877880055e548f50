"""DA/T 95-2022, 表 B.10 医疗费票据元数据及组织方式: its elements in its order, with its own names.

The table gives name, label, level, whether an element holds others, and whether it has to be there; `form` is ours, since the
table leaves it open: dates and times complete after GB/T 7408 (DA/T 95-2022, 6.3.6), amounts in yuan with two decimals.
`AttachmentDescripsion` is spelt as the standard spells it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TEXT, AMOUNT, NUMBER, DATE, TIME, CODE, SERIAL, YES_NO, CHECKED, BASE64 = (
    "text", "amount", "number", "date", "time", "code", "serial", "yes-no", "checked", "base64",
)  # fmt: skip
YES, NO = "是", "否"
LOOKED_AT, NOT_LOOKED_AT = "已查验", "未查验"


@dataclass(frozen=True, slots=True)
class Element:
    name: str
    label: str
    form: str = TEXT
    required: bool = False
    many: bool = False  # a container that may come again
    parts: list[Element] = field(default_factory=list)  # of a container


ROOT = Element(
    "MedicalBills",
    "医疗费票据",
    parts=[
        Element("EinvoiceName", "电子票据名称"),
        Element("EinvoiceCode", "电子票据代码", CODE),
        Element("EinvoiceNumber", "电子票据号码", SERIAL),
        Element("RandomNumber", "校验码"),
        Element("TotalAmount", "票据总金额", AMOUNT, required=True),
        Element("IssueDate", "开票日期", DATE),
        Element("IssueTime", "开票时间", TIME),
        Element("AgencyName", "开票单位名称", required=True),
        Element("AgencyCode", "开票单位代码"),
        Element("PayerCode", "交款人代码"),
        Element("PayerName", "交款人名称"),
        Element("BizCode", "业务流水号"),
        Element("Remark", "备注"),
        Element("HandlingPerson", "开票人"),
        Element("Checker", "复核人"),
        Element("SupervisorRemark", "财政部门备注"),
        Element("RelatedInvoiceCode", "关联票据代码", CODE),
        Element("RelatedInvoiceNumber", "关联票据号码", SERIAL),
        Element(
            "Items",
            "项目",
            many=True,
            parts=[
                Element("ItemCode", "项目编码"),
                Element("ItemName", "项目名称"),
                Element("ItemQuantity", "数量", NUMBER),
                Element("ItemUnit", "单位"),
                Element("ItemStd", "标准", NUMBER),
                Element("ItemRemark", "备注"),
                Element("ItemAmount", "项目金额", AMOUNT),
            ],
        ),
        Element(
            "AuxItems",
            "项目辅助明细",
            many=True,
            parts=[
                Element("AuxItemRelatedCode", "对应项目编码"),
                Element("AuxItemRelatedName", "对应项目名称"),
                Element("AuxItemCode", "收费明细项目编码"),
                Element("AuxItemName", "收费明细项目名称"),
                Element("AuxItemQuantity", "收费明细数量", NUMBER),
                Element("AuxItemUnit", "收费明细单位"),
                Element("AuxItemStd", "收费明细标准", NUMBER),
                Element("AuxItemRemark", "收费明细备注"),
                Element("AuxItemAmount", "收费明细项目金额", AMOUNT),
            ],
        ),
        Element(
            "FinanceCheck",
            "票据查验结果",
            parts=[
                Element("Result", "查验结果", CHECKED),
                Element("IsExchangePaper", "是否已打印纸票", YES_NO),
                Element("RelatedInvoiceCode", "纸质票据代码"),
                Element("RelatedInvoiceNumber", "纸质票据号码"),
                Element("IsReversal", "是否开红票", YES_NO),
                Element("ReversalInvoiceCode", "红票票据代码", CODE),
                Element("ReversalInvoiceNumber", "红票票据号码", SERIAL),
                Element("IsAccounted", "是否已入账", YES_NO),
                Element("AccDate", "入账日期", DATE),
                Element("AccAmount", "入账金额", AMOUNT),
            ],
        ),
        Element(
            "Attachments",
            "电子凭证附件",
            many=True,
            parts=[
                Element("Attachment", "附件", BASE64),
                Element("AttachmentType", "附件格式"),
                Element("AttachmentDescripsion", "附件说明"),
            ],
        ),
    ],
)
