"""Codes of the money ledger and of what is written on it: the same table as `problems.py`, of which this is a part."""

from __future__ import annotations

from api.problem import Problem

MONEY_PROBLEMS: dict[str, Problem] = {
    # accounts
    "account_exists": Problem(409, "This account's name is used", "账户编号已使用"),
    "account_unknown": Problem(404, "No such account, or not yours", "账户不存在"),
    "debit_account_unknown": Problem(404, "No such account to take from", "付款账户不存在"),
    "credit_account_unknown": Problem(404, "No such account to pay to", "收款账户不存在"),
    "account_closed": Problem(409, "The account is closed", "账户已关闭"),
    "account_not_even": Problem(409, "The account is not even", "账户余额不为零"),
    "account_full": Problem(409, "The account's sums have reached their end", "账户累计金额已达上限"),
    "limit_unknown": Problem(422, "No such limit of an account", "账户限额类型无效"),
    "debt_open_to_others": Problem(422, "What is owed is paid off by its owner's word alone", "应收账户不得由他人入账"),
    "not_taken_from_others": Problem(
        403, "This account takes nothing from other organisations", "该账户不接受其他单位转入"
    ),
    "amount_too_large": Problem(422, "More than one transfer may move", "超过单笔转账上限"),
    "not_the_owner": Problem(403, "Another organisation answers for this account", "非账户所属单位"),
    "same_account": Problem(422, "Money goes from one account to another", "付款与收款账户相同"),
    "exceeds_credits": Problem(409, "More than the account has left", "超过账户可用余额"),
    "exceeds_debits": Problem(409, "More than is owed", "超过待还金额"),
    "transfer_exists": Problem(409, "This transfer's name is used", "转账编号已使用"),
    "transfer_unknown": Problem(404, "No such transfer", "转账不存在"),
    "correction_differs": Problem(
        409, "A correction goes the other way between the same accounts", "更正须为原转账的反向"
    ),
    "exceeds_transfer": Problem(409, "More than is left of the transfer", "超过原转账可更正金额"),
    "hold_exists": Problem(409, "This hold's name is used", "冻结编号已使用"),
    "hold_unknown": Problem(404, "No such hold, or not yours", "冻结不存在"),
    "hold_too_long": Problem(422, "A hold ends later than now, and no later than allowed", "冻结或留号期限无效"),
    "hold_expired": Problem(409, "The hold ran out", "冻结已过期"),
    "too_many_holds": Problem(409, "Too many holds on one account", "账户冻结笔数过多"),
    "already_captured": Problem(409, "The hold was captured already", "冻结已扣款"),
    "amount_exceeds_hold": Problem(422, "More than is held", "超过冻结金额"),
    "money_not_conserved": Problem(
        500, "A fault of the ledger's own rules: nothing was moved", "账务规则错误，未发生变动"
    ),
    # notices, orders, payments
    "notice_exists": Problem(409, "This notice's name is used", "缴费通知编号已使用"),
    "notice_unknown": Problem(404, "No such notice, or not yours", "缴费通知不存在"),
    "notice_withdrawn": Problem(409, "The notice was withdrawn", "缴费通知已撤回"),
    "notice_in_order": Problem(409, "An order is to pay this notice already", "缴费通知已在支付订单中"),
    "notice_unsettled": Problem(409, "The notice is not paid yet", "缴费通知尚未缴清"),
    "notices_malformed": Problem(422, "Notices are named once each, ascending", "缴费通知列表格式错误"),
    "lines_malformed": Problem(
        422, "Kinds of charges stand once each, ascending, with positive sums", "收费分类行格式错误"
    ),
    "already_answered": Problem(409, "A bill answers it already", "已开具对应票据"),
    "bill_differs": Problem(409, "The bill's total is not what was paid", "票据金额与实收金额不符"),
    "order_exists": Problem(409, "This order's name is used", "支付订单编号已使用"),
    "order_unknown": Problem(404, "No such order, or not yours", "支付订单不存在"),
    "order_open": Problem(409, "The order is neither paid nor closed: close it first", "支付订单尚未完成或关闭"),
    "order_closed": Problem(409, "The order was closed", "支付订单已关闭"),
    "order_expired": Problem(409, "The order's time is over", "支付订单已过期"),
    "order_too_long": Problem(422, "An order ends later than now, and within 180 days", "支付订单期限无效"),
    "parts_malformed": Problem(422, "Each part of an order has a positive sum", "支付订单分项格式错误"),
    "part_unknown": Problem(422, "The order has no such part", "支付订单没有该分项"),
    "part_paid": Problem(409, "This part is paid already", "该分项已支付"),
    "notice_unknown_order": Problem(404, "No order of this gateway has this number", "本机没有该渠道订单"),
    "statement_not_ready": Problem(409, "The channel has no statement of that day, or not yet", "渠道尚无该日账单"),
    "channel_unknown": Problem(409, "This gateway has no such channel", "本机未接入该支付渠道"),
    "channel_unreachable": Problem(503, "The channel does not answer: ask again", "支付渠道无应答，请重试"),
    "channel_refused": Problem(409, "The channel has refused", "支付渠道拒绝"),
    "channel_differs": Problem(422, "This part comes by another channel", "支付渠道与分项不符"),
    "amount_differs": Problem(409, "The channel took another sum than the part's", "实付金额与分项金额不符"),
    "payment_exists": Problem(409, "This payment's name is used", "支付流水编号已使用"),
    "payment_unknown": Problem(404, "No such payment, or not yours", "支付流水不存在"),
    "refund_exists": Problem(409, "This refund's name is used", "退款编号已使用"),
    "exceeds_payment": Problem(409, "More than is left of the payment", "超过该笔支付可退金额"),
    "exceeds_notice": Problem(409, "More than is left of the notice", "超过该缴费通知可退金额"),
    "exceeds_order": Problem(
        409, "More than is left of the order's money: take shares back first", "订单余额不足，请先回退分账"
    ),
    "notice_not_in_order": Problem(422, "The payment was not for this notice", "该笔支付不属于此缴费通知"),
    "nothing_to_refund": Problem(409, "No payment of an order is left to give back", "没有可退的支付"),
    "red_bill_missing": Problem(
        409, "Its bill stands: reverse it first and name the red bill", "原票据未冲红，不能退款"
    ),
    "red_bill_differs": Problem(409, "This is not the red bill of the notice's bill", "红票与缴费通知的票据不符"),
    "bank_day_full": Problem(409, "Too many bank lines of one channel and day", "该渠道当日银行流水过多"),
    "bank_line_exists": Problem(409, "This bank line is recorded already", "银行流水已登记"),
    # deposits
    "deposit_exists": Problem(409, "This deposit's name is used", "预交金编号已使用"),
    "deposit_unknown": Problem(404, "No such deposit, or not yours", "预交金不存在"),
    "deposit_settled": Problem(409, "The deposit was settled", "预交金已结算"),
    "deposit_unsettled": Problem(409, "Settle the deposit first", "预交金尚未结算"),
    "deposit_exceeded": Problem(409, "More than the deposit holds", "超过预交金余额"),
    "deposit_of_other": Problem(409, "This deposit is another patient's", "预交金属于其他患者"),
    # credit
    "lender_not_entitled": Problem(403, "This organisation lends to nobody", "该单位无授信资格"),
    "terms_malformed": Problem(422, "The product's terms do not fit together", "信用产品条款无效"),
    "product_unknown": Problem(404, "No such version of a product", "信用产品版本不存在"),
    "attestation_invalid": Problem(422, "The attestation does not hold, or is not for this lender", "信用证明无效"),
    "attestation_expired": Problem(422, "The attestation has expired", "信用证明已过期"),
    "attestation_of_other": Problem(403, "The attestation is of somebody else", "信用证明不属于您"),
    "not_eligible": Problem(409, "The product's conditions are not met", "不符合信用产品准入条件"),
    "line_exists": Problem(409, "This line's name is used", "信用额度编号已使用"),
    "line_unknown": Problem(404, "No such line, or not yours", "信用额度不存在"),
    "line_ended": Problem(409, "The line was ended", "信用额度已终止"),
    "line_expired": Problem(409, "The line's time is over", "信用额度已到期"),
    "hospitals_malformed": Problem(422, "Hospitals of a line stand once each, by name", "额度可用医院格式错误"),
    "hospital_not_named": Problem(
        403, "The lender has not opened this line to this hospital", "该额度未授权本医院使用"
    ),
    "former_line_owed": Problem(409, "Something is owed on the line of the former agreement", "原额度尚有欠款"),
    "line_taken": Problem(409, "Another hospital bears this line's risk", "该额度已由其他医院承担风险"),
    "line_differs": Problem(409, "The agreement is about another line", "协议所属额度不符"),
    "not_a_hospital": Problem(403, "This organisation is no hospital", "该单位不是医院"),
    "agreement_exists": Problem(409, "This agreement was signed otherwise already", "协议已存在"),
    "agreement_unknown": Problem(404, "No such agreement", "协议不存在"),
    "agreement_in_force": Problem(409, "An agreement is in force already", "已有生效协议"),
    "agreement_ended": Problem(409, "The agreement has ended", "协议已终止"),
    "account_overdue": Problem(409, "What is owed is overdue", "信用账户已逾期"),
    "visit_cap_exceeded": Problem(409, "More than is agreed for one visit", "超过单次就诊限额"),
    "credit_line_exceeded": Problem(409, "More than is left of the line", "超过信用额度可用金额"),
    "balance_first": Problem(409, "The balance is used before the line", "须先使用账户余额"),
    "already_reviewed": Problem(409, "The emergency was reviewed already", "急诊认定已复核"),
    "not_an_emergency": Problem(409, "No emergency was declared", "未认定为急诊"),
    "statement_exists": Problem(409, "This statement's name is used", "账单编号已使用"),
    "not_the_bearer": Problem(403, "Another organisation bears this line's risk", "非该额度风险承担方"),
    "owed_differs": Problem(409, "The ledger has another sum owed", "欠款金额与账本不符"),
    "nothing_owed": Problem(409, "Nothing is owed", "无欠款"),
    "due_too_soon": Problem(422, "The product gives more time to repay", "还款期限过短"),
    "too_many_dues": Problem(409, "Too many dates of repayment on one line", "还款日期过多"),
    "repayment_exists": Problem(409, "This repayment's name is used", "还款编号已使用"),
    "exceeds_debt": Problem(409, "More than is owed", "超过欠款金额"),
    "payback_exists": Problem(409, "This payback's name is used", "退款编号已使用"),
    "exceeds_surplus": Problem(409, "More than the line has above what it was granted", "超过额度溢缴金额"),
    "plan_exists": Problem(409, "This plan's name is used", "分期方案编号已使用"),
    "instalments_malformed": Problem(
        422, "Instalments are by date, positive, and come to what is owed", "分期方案无效"
    ),
    # payees, rules of splitting, splits, the bank that supervises
    "payee_exists": Problem(409, "This payee's name is used", "分账方编号已使用"),
    "payee_unknown": Problem(404, "No such payee, or not yours", "分账方不存在"),
    "payee_not_bound": Problem(409, "No such payee is bound", "分账方未绑定"),
    "payee_suspended": Problem(409, "The payee is suspended", "分账方已停用"),
    "payee_kind_unknown": Problem(422, "No such kind of payee", "分账方类型无效"),
    "payee_kind_differs": Problem(409, "The payee is of another kind", "分账方类型不符"),
    "consent_missing": Problem(422, "A payee has to consent", "缺少分账方授权"),
    "account_not_the_payees": Problem(
        403, "An account of one's own is nobody else's: bind the payee without one", "不得以本单位账户作为他人分账账户"
    ),
    "payout_exists": Problem(409, "This payout's name is used", "提现编号已使用"),
    "too_many_debts": Problem(409, "The payee owes to too many orders", "分账方待补回订单过多"),
    "rules_malformed": Problem(422, "The rules do not divide all of each line, in one way", "分账规则无效"),
    "rules_unknown": Problem(404, "No such version of rules", "分账规则版本不存在"),
    "share_forbidden": Problem(
        409, "A doctor shares in services of his own, never in drugs or tests", "医生不得参与药品、检查检验等费用分成"
    ),
    "split_above_cap": Problem(409, "More than the rule's cap", "超过分账比例上限"),
    "window_malformed": Problem(422, "Orders are split within 30 seconds to 180 days", "分账时限须在30秒至180天之间"),
    "split_exists": Problem(409, "This split's name is used", "分账编号已使用"),
    "split_unknown": Problem(404, "No such split, or not yours", "分账不存在"),
    "split_too_early": Problem(409, "The order was paid only just now", "未到可分账时间"),
    "split_too_late": Problem(409, "The time to split this order is over", "已超过分账时限"),
    "split_differs": Problem(409, "The rules give other sums", "分账金额与规则计算不符"),
    "order_finished": Problem(409, "The order is finished: no more of it is split", "订单已完结分账"),
    "line_not_in_order": Problem(422, "The order has no such line", "订单没有该收费分类"),
    "line_split": Problem(409, "This line is split already", "该收费分类已分账"),
    "line_without_rule": Problem(409, "No rule divides this line", "该收费分类没有分账规则"),
    "line_too_small": Problem(409, "The line is less than what its rules give", "收费金额不足以按规则分账"),
    "shares_malformed": Problem(422, "Shares stand by line and rule, one for each rule", "分账明细格式错误"),
    "source_not_own": Problem(
        403, "A platform puts its own money in, and none from outside the ledger", "平台只能动用自有资金"
    ),
    "rest_not_yours": Problem(
        403, "What is not split belongs to payees or to the patient", "未分账余额不归本单位，只能分账或退款"
    ),
    "back_exists": Problem(409, "This return's name is used", "回退编号已使用"),
    "share_unknown": Problem(422, "The split has no such share", "分账没有该明细"),
    "exceeds_share": Problem(409, "More than is left of the share", "超过该笔分账可回退金额"),
    "custody_unknown": Problem(404, "No bank supervises this money", "未设监管银行"),
    "custody_moved": Problem(409, "The supervising bank has changed: look again", "监管银行已变更，请重新查询"),
    "bank_not_entitled": Problem(422, "No such bank in force", "监管银行不存在或已停用"),
    "not_the_bank": Problem(403, "Another bank supervises this money", "非该资金监管银行"),
    "already_attested": Problem(409, "This day was attested otherwise already", "该日余额已确认"),
    "day_not_over": Problem(409, "The day is not over yet", "当日尚未结束"),
    "day_unknown": Problem(409, "The ledger has no balance of that day", "账本没有该日余额"),
    "account_guarded": Problem(
        403, "This money is moved by payments, splits, deposits or credit alone", "监管账户资金不得自行划转"
    ),
}
