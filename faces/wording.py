"""The words of a face: names of provinces and bills, labels, marks. One table each.

Sources: Zhejiang medical e-bill measure of 2019 (name of the bill, 已作废, 已换开); the face block of provincial bills (DOMAIN 1.4);
GB/T 2260 for the first two digits of a bill's number.
"""

from __future__ import annotations

PROVINCES = {
    "11": "北京市", "12": "天津市", "13": "河北省", "14": "山西省", "15": "内蒙古自治区", "21": "辽宁省", "22": "吉林省",
    "23": "黑龙江省", "31": "上海市", "32": "江苏省", "33": "浙江省", "34": "安徽省", "35": "福建省", "36": "江西省",
    "37": "山东省", "41": "河南省", "42": "湖北省", "43": "湖南省", "44": "广东省", "45": "广西壮族自治区", "46": "海南省",
    "50": "重庆市", "51": "四川省", "52": "贵州省", "53": "云南省", "54": "西藏自治区", "61": "陕西省", "62": "甘肃省",
    "63": "青海省", "64": "宁夏回族自治区", "65": "新疆维吾尔自治区", "71": "台湾省", "81": "香港特别行政区", "82": "澳门特别行政区",
}  # fmt: skip
KINDS = {1: "医疗门诊", 2: "医疗住院", 3: "医疗挂号", 4: "医疗体检"}
OTHER_KIND = "医疗"
BILL_TITLE, LIST_TITLE = "收费票据（电子）", "收费明细清单"

# field of a visit -> label; in the order of the face
VISIT = {
    "institution_type": "医疗机构类型",
    "sex": "性别",
    "age": "年龄",
    "insurance_type": "医保类型",
    "insurance_id": "医保编号",
    "insurance_settlement_no": "医保结算号",
    "outpatient_no": "门诊号",
    "visit_date": "就诊日期",
    "medical_record_no": "病历号",
    "admission_no": "住院号",
    "department": "科别",
    "ward": "病区",
    "bed_no": "床号",
    "admitted": "入院日期",
    "discharged": "出院日期",
    "days": "住院天数",
    "billable_start": "计费开始",
    "billable_end": "计费结束",
    "deposit_paid_fen": "预缴金额",
    "top_up_fen": "补缴金额",
    "refund_fen": "退费金额",
}
SEXES = {"male": "男", "female": "女", "1": "男", "2": "女"}

# part of the payments -> label; with the own parts below, always printed
PAYMENTS = {
    "insurance_fund_fen": "医保统筹基金支付",
    "personal_account_fen": "个人账户支付",
    "other_fen": "其他支付",
    "cash_fen": "个人现金支付",
}
SELF_PAID, SELF_FUNDED = "个人自付", "个人自费"

VOID, REVERSED, ON_PAPER = "已作废", "已冲红", "已换开"
# heads of the tables, where no catalogue says otherwise
CHARGE_COLUMNS = ["项目名称", "数量", "单位", "金额（元）"]
ITEM_COLUMNS = ["项目编码", "项目名称", "规格", "单位", "单价", "数量", "金额（元）"]

# catalogue -> what it is called in the small print
CATALOGUES = {"charges": "收费项目目录", "items": "医院项目对照", "faces": "票样"}

UNNAMED = "（未提供）"
BOUND_LATER = "（后补登）"
UNKNOWN_PAYER = "（身份待核）"
HIDDEN = "******"
