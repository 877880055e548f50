"""The one home of error code -> HTTP status and titles; and the one error body, problem+json.

400 cannot be read, 401 and 403 by right, 404 not there (or not for you), 409 refused by the ledger's state, 422 by
content, 503 nothing was kept. Source: RFC 9457.
"""

from __future__ import annotations

import html
from typing import Any

import msgspec
import structlog

from api.errors import FieldError
from api.money_problems import MONEY_PROBLEMS
from api.problem import Problem
from api.visit_problems import VISIT_PROBLEMS

log = structlog.get_logger("api")

RETRY_AFTER_S = 5  # told with every 503: an election, a refill or a drained outbox takes less


PROBLEMS: dict[str, Problem] = {
    # how a request is written
    "malformed_json": Problem(400, "The body is not JSON that can be read", "请求正文不是可读取的 JSON"),
    "malformed": Problem(400, "The bytes are not what they should be", "字节内容格式不正确"),
    "not_canonical": Problem(400, "The bytes are not the canonical spelling", "字节内容不是规范编码"),
    "parameter_unknown": Problem(400, "This query parameter does not exist", "查询参数不存在"),
    "parameter_missing": Problem(400, "A query parameter is missing", "缺少查询参数"),
    "parameter_invalid": Problem(400, "A query parameter has no valid value", "查询参数的值无效"),
    "cursor_invalid": Problem(400, "The cursor is not of this list", "游标不属于此列表"),
    "purpose_missing": Problem(400, "Say what you read this for", "缺少查阅目的"),
    "purpose_invalid": Problem(400, "No such purpose of reading", "查阅目的无效"),
    "case_number_invalid": Problem(400, "Not the number of an auditor's case", "案件编号无效"),
    "method_not_allowed": Problem(405, "This path has no such method", "此路径不支持该方法"),
    "body_too_slow": Problem(408, "The body did not arrive in time", "请求正文未按时到达"),
    "body_too_large": Problem(413, "The body is too large", "请求正文过大"),
    "head_too_large": Problem(431, "The request's head is too large", "请求头过大"),
    "transaction_too_large": Problem(413, "The transaction is larger than a block", "交易超过区块大小"),
    "media_type_unsupported": Problem(415, "The body has another media type than this path takes", "不支持的媒体类型"),
    "unknown_field": Problem(422, "A field that does not exist", "存在未定义的字段"),
    "missing_field": Problem(422, "A field is missing", "缺少必填字段"),
    "duplicate_field": Problem(422, "A field stands twice in one object", "同一对象中字段重复"),
    "wrong_type": Problem(422, "A field has the wrong type", "字段类型错误"),
    "invalid_value": Problem(422, "A field has a value that is not allowed", "字段值不合规定"),
    "field_not_opened": Problem(422, "The file does not show this field", "文件未公开该字段"),
    "field_unknown": Problem(422, "No bill has such a field to open", "票据没有可公开的该字段"),
    "text_refused": Problem(422, "A text holds characters that cannot be stored", "文本含有不可存储的字符"),
    # who asks
    "token_missing": Problem(401, "This path needs a token", "此路径需要令牌"),
    "token_invalid": Problem(401, "The token does not hold", "令牌无效"),
    "token_expired": Problem(401, "The token has expired", "令牌已过期"),
    "role_forbidden": Problem(403, "Your role may not do this", "您的角色无权执行此操作"),
    "identity_missing": Problem(403, "The token does not say who you are", "令牌未载明身份"),
    "organisation_forbidden": Problem(403, "This node serves another organisation", "本节点服务于其他单位"),
    "too_many_requests": Problem(429, "Too much asked by one patient: try later", "请求过于频繁，请稍后再试"),
    "too_many_attempts": Problem(429, "Too many failed attempts: try later", "失败次数过多，请稍后再试"),
    # what is not there
    "not_found": Problem(404, "There is nothing here", "未找到"),
    "bill_unknown": Problem(404, "No such bill, or not for you", "票据不存在或无权查看"),
    "not_yet_recorded": Problem(404, "The ledger had no such bill at that moment", "该时点账本中尚无此票据"),
    "payer_not_bound": Problem(404, "Nobody was bound to this bill later", "该票据没有补登的交款人"),
    "block_unknown": Problem(404, "No such block yet", "区块尚不存在"),
    "operation_unknown": Problem(404, "No such operation, or not for you", "操作不存在或无权查看"),
    "catalogue_unknown": Problem(404, "No such version of a catalogue", "目录版本不存在"),
    "organisation_unknown": Problem(422, "No such organisation", "单位不存在"),
    "not_issuer": Problem(404, "No such bill, or not for you", "票据不存在或无权操作"),
    "proxy_unknown": Problem(404, "No such proxy in force, or not yours", "授权不存在、已失效或与您无关"),
    "anchor_unknown": Problem(404, "The ledger has no anchor of this log yet", "查阅日志尚未锚定"),
    # what a bill or an order says
    "total_not_positive": Problem(422, "The total is not positive", "总金额必须大于零"),
    "amount_not_positive": Problem(422, "The amount is not positive", "金额必须大于零"),
    "sum_mismatch": Problem(422, "A sum does not add up", "金额合计不一致"),
    "line_mismatch": Problem(422, "Quantity times price is not the amount", "数量乘单价与金额不符"),
    "own_part_exceeds_total": Problem(422, "The own part is more than the total", "个人承担部分超过总金额"),
    "charge_repeated": Problem(422, "A charge code stands twice", "收费项目编码重复"),
    "charge_unknown": Problem(422, "An item names no charge of this bill", "明细所属收费项目不存在"),
    "payer_has_number": Problem(422, "An unknown payer has no number", "身份不明的交款人不应有证件号"),
    "item_not_mapped": Problem(422, "No catalogue of the bill's day has this code", "当日目录中没有该项目编码"),
    "item_mapped_elsewhere": Problem(
        422, "The hospital's catalogue puts it under another charge", "项目对照的收费项目不符"
    ),
    "catalogue_malformed": Problem(422, "The catalogue is not in order", "目录内容不合规定"),
    "invalid_time": Problem(422, "Not a moment as RFC 3339 writes it", "时间格式不符合 RFC 3339"),
    "kind_unknown": Problem(422, "No such kind of bill", "票据种类不存在"),
    "place_unknown": Problem(422, "No such issuing point of this hospital", "开票点不存在"),
    "date_unknown": Problem(422, "This day does not exist", "日期不存在"),
    "date_out_of_window": Problem(422, "The business date lies too far from now", "业务日期超出允许范围"),
    "amount_mismatch": Problem(422, "A red bill must be the exact negative", "红票金额必须为原票的负数"),
    "number_code_mismatch": Problem(422, "The number does not fit kind and year", "票据代码与种类或年度不符"),
    "count_not_positive": Problem(422, "A range holds at least one number", "号段数量必须大于零"),
    "seal_malformed": Problem(422, "The seal is not in its form", "监制签章格式错误"),
    "transaction_malformed": Problem(422, "The transaction is not in its form", "交易格式错误"),
    "changes_malformed": Problem(422, "The change of the set is not in its form", "验证人变更格式错误"),
    "purpose_unknown": Problem(422, "A key has no such purpose here", "密钥用途不存在"),
    "suite_unknown": Problem(422, "No such signature suite", "签名算法不存在"),
    # refused by right
    "issuer_not_entitled": Problem(403, "This organisation may not issue bills", "该单位无开票资格"),
    "not_supervised": Problem(403, "This organisation is not under your supervision", "该单位不受您监管"),
    "range_not_yours": Problem(403, "The range belongs to another organisation", "号段属于其他单位"),
    "not_a_member": Problem(403, "This organisation is not among the validators", "该单位不是验证人"),
    "not_entitled": Problem(403, "This organisation supervises nobody and may not seal", "该单位无监制签章资格"),
    "wrong_key": Problem(403, "This key is for another purpose", "密钥用途不符"),
    "key_refused": Problem(403, "Not a key that anybody may use", "密钥不可使用"),
    "key_unknown": Problem(403, "The ledger knows no such key", "账本中没有该密钥"),
    "key_not_in_force": Problem(403, "The key is not in force", "密钥未生效或已失效"),
    "bad_signature": Problem(403, "The signature does not hold", "签名无效"),
    "publisher_not_entitled": Problem(403, "This organisation publishes no such catalogue", "该单位无权发布此目录"),
    "no_archive": Problem(403, "This organisation keeps no archive of details", "该单位不保管票据明细"),
    "counter_only": Problem(403, "This is registered at the counter, with a document", "须凭证件在窗口办理"),
    # refused by the ledger's state
    "version_moved": Problem(409, "Another version is the next one by now", "目录版本已变化"),
    "date_passed": Problem(409, "This day is over: a catalogue begins today at the earliest", "目录生效日期已过"),
    "date_too_far": Problem(409, "A catalogue begins within thirteen months", "目录生效日期过远"),
    "date_before_former": Problem(409, "The former version begins later", "生效日期早于上一版本"),
    "already_recorded": Problem(409, "This very operation is recorded already", "该操作已记录"),
    "already_issued": Problem(409, "This business number has its bill already", "该业务流水号已开票"),
    "business_no_conflict": Problem(409, "Another bill has this business number", "业务流水号已用于其他内容"),
    "number_used": Problem(409, "This number is used", "票据号码已使用"),
    "directory_full": Problem(409, "No more ranges, leases or keys can be listed here", "号段、领用或密钥数量已达上限"),
    "day_book_full": Problem(409, "The day's sums are beyond what a day book holds", "当日合计超出日记账上限"),
    "number_outside_lease": Problem(409, "This number is outside the lease", "票据号码不在领用号段内"),
    "lease_unknown": Problem(409, "No such lease", "领用号段不存在"),
    "already_sealed": Problem(409, "This bill is sealed already", "票据已监制"),
    "too_many_withheld": Problem(409, "Too many bills are withheld", "暂缓监制的票据过多"),
    "lease_cleared": Problem(409, "This lease is cleared: its numbers may not be used", "领用号段已核销"),
    "already_cleared": Problem(409, "This lease was cleared with other counts", "领用号段已核销"),
    "lease_in_use": Problem(409, "Numbers of this lease may still be given", "领用号段仍在使用"),
    "numbers_unexplained": Problem(422, "Numbers of this lease are not explained", "存在未说明的票据号码"),
    "counts_mismatch": Problem(422, "The counts do not add up to the lease", "各类数量之和与号段不符"),
    "approval_unknown": Problem(404, "Nothing here waits under this name", "未找到待复核事项"),
    "same_person": Problem(403, "Who asked cannot agree", "复核人不能与申请人相同"),
    "second_person_missing": Problem(403, "Another person has to agree", "需第二人复核"),
    "persons_malformed": Problem(422, "The two persons are not in order", "经办复核标识顺序有误"),
    "approval_under_way": Problem(409, "Somebody is agreeing just now", "该事项正在复核"),
    "approvals_full": Problem(503, "Too much waits for a second person", "待复核事项过多"),
    "organisation_suspended": Problem(403, "This organisation is suspended", "该单位已停用"),
    "organisation_closed": Problem(403, "This organisation is closed", "该单位已注销"),
    "standing_moved": Problem(409, "Its standing has changed meanwhile", "该单位状态已变更"),
    "organisation_known": Problem(409, "An organisation of this name takes part already", "该单位已接入"),
    "not_a_finance_office": Problem(
        403, "Only an active finance office takes organisations in", "仅财政部门可准入单位"
    ),
    "kind_not_admissible": Problem(
        422, "An organisation of this kind is not taken in on a running ledger", "该类单位不可中途准入"
    ),
    "authority_unusable": Problem(
        422, "Not a certificate that the organisation's nodes could be issued under", "节点证书颁发者证书不可用"
    ),
    "region_foreign": Problem(422, "The region is not the office's own", "区划不属于该财政部门"),
    "places_malformed": Problem(
        422, "A hospital has issuing points, distinct and sorted; nobody else has", "开票点编码有误"
    ),
    "already_suspended": Problem(409, "It is suspended already", "该单位已停用"),
    "not_suspended": Problem(409, "It is not suspended", "该单位未停用"),
    "already_reversed": Problem(409, "This bill is reversed already", "票据已冲红"),
    "bill_is_red": Problem(409, "A red bill cannot be reversed", "红票不能再冲红"),
    "bill_is_void": Problem(409, "This bill was withdrawn", "票据已作废"),
    "already_void": Problem(409, "This bill was withdrawn already", "票据已作废"),
    "bill_not_normal": Problem(409, "This bill is reversed, red or void", "票据已冲红或作废"),
    "bill_not_sealed": Problem(409, "The finance office has not sealed this bill", "票据尚未监制签章"),
    "delivered_use_reversal": Problem(409, "What was delivered is reversed, not withdrawn", "票据已交付，请冲红"),
    "already_delivered": Problem(409, "It was delivered this way already", "票据已通过该渠道交付"),
    "bill_in_arrears": Problem(409, "Its fees are owed: it may not circulate", "票据欠费，不得流转"),
    "already_in_arrears": Problem(409, "It is held for fees already", "票据已标记欠费"),
    "not_in_arrears": Problem(409, "No fees are owed on this bill", "票据未欠费"),
    "payer_already_bound": Problem(409, "The payer is bound already", "交款人已补登"),
    "payer_known": Problem(409, "The bill was issued for a payer who is known", "开票时交款人已明确"),
    "paper_copy_outstanding": Problem(409, "Take the paper copy back first", "请先收回纸质票据"),
    "paper_copy_exists": Problem(409, "A paper copy is alive already", "纸质票据已换开"),
    "no_paper_copy": Problem(409, "No paper copy is alive", "无有效纸质票据"),
    "form_used": Problem(409, "This form was used already", "该纸质票据号已使用"),
    "form_unknown": Problem(409, "The copy is on another form", "纸质票据号不符"),
    "form_ended": Problem(409, "This form was taken back already", "该纸质票据已收回"),
    "forms_malformed": Problem(422, "Not an ascending list of forms", "纸质票据号列表格式错误"),
    "already_accounted": Problem(409, "The bill stands in somebody's books already", "票据已入账"),
    "already_acknowledged": Problem(409, "It is out of the books already", "已确认冲销入账"),
    "not_accounted": Problem(409, "The bill stands in nobody's books", "票据未入账"),
    "not_your_booking": Problem(403, "Another unit booked this bill", "票据由其他单位入账"),
    "issuer_is_not_payer": Problem(403, "A bill's issuer is not its paying unit", "开票单位不能作为付款单位入账"),
    "amount_exceeds_total": Problem(422, "More than the bill's total, or nothing", "入账金额不在票面金额内"),
    "accounting_not_acknowledged": Problem(
        409, "The unit that booked it has to take it out of its books first", "请先由入账单位确认冲销"
    ),
    "not_a_paying_unit": Problem(403, "This organisation pays nobody's bills", "该单位不能作为付款单位入账"),
    "not_an_insurance_bureau": Problem(403, "This organisation settles no medical insurance", "该单位不是医保经办机构"),
    "not_a_hospital": Problem(422, "This organisation is no hospital", "该单位不是医疗机构"),
    "settlement_unknown": Problem(404, "No such settlement, or not yours", "医保结算不存在"),
    "already_joined": Problem(409, "This bill has its settlement already", "票据已关联医保结算"),
    "settlement_of_other_hospital": Problem(409, "The settlement is another hospital's", "该医保结算属于其他医疗机构"),
    "settlement_full": Problem(409, "This settlement has as many bills as one may have", "该医保结算关联票据过多"),
    "settlement_withdrawn": Problem(409, "The settlement was withdrawn", "医保结算已撤销"),
    "already_withdrawn": Problem(409, "The settlement was withdrawn already", "医保结算已撤销"),
    "fund_already_paid": Problem(409, "The fund has paid this settlement already", "医保基金已支付该结算"),
    "held_before": Problem(409, "A bill is held for fees once", "票据只能标记欠费一次"),
    "not_an_insurer": Problem(403, "This organisation reimburses nobody", "该单位无报销资格"),
    "claim_exists": Problem(409, "This claim's name is used", "报销申请编号已使用"),
    "claim_unknown": Problem(404, "No such claim, or not yours", "报销申请不存在"),
    "claim_locked": Problem(409, "Another claim holds this bill", "票据已被其他报销申请锁定"),
    "disputed": Problem(409, "Its holder disputes this bill", "持票人对票据有异议"),
    "already_disputed": Problem(409, "A dispute of this bill is open already", "票据异议已在处理"),
    "not_disputed": Problem(409, "Nobody disputes this bill", "票据无异议"),
    "already_settled": Problem(409, "It was settled already", "已结清或已有结论"),
    "already_claimed": Problem(409, "Somebody else has claimed this bill", "票据已被他人认领"),
    "claim_open": Problem(409, "A claim on this bill is open", "票据有未结报销申请"),
    "claim_paid": Problem(
        409, "A claim on this bill was paid: its insurer has to release it", "票据已报销，须由保险方撤销"
    ),
    "claim_expired": Problem(409, "The claim's lock ran out", "报销锁定已过期"),
    "claim_undecided": Problem(409, "The claim is not decided yet", "报销申请尚未审核"),
    "claim_rejected": Problem(409, "The claim was rejected", "报销申请已驳回"),
    "claim_released": Problem(409, "The claim was released", "报销申请已撤销"),
    "already_decided": Problem(409, "The claim was decided already", "报销申请已审核"),
    "already_paid": Problem(409, "The claim was paid already", "报销已支付"),
    "already_released": Problem(409, "It was released already", "已撤销"),
    "already_reimbursed": Problem(409, "The own part is reimbursed already", "个人承担部分已全部报销"),
    "exceeds_reimbursable": Problem(409, "More than is left of the own part", "超过可报销金额"),
    "nothing_to_reimburse": Problem(409, "Its payer bore nothing of this bill", "票据无个人承担金额"),
    "not_granted": Problem(
        403, "No grant shows this insurer that the bill is yours", "未授权该保险方查看，无法确认票据属于您"
    ),
    "amount_exceeds_lock": Problem(422, "More than was locked", "超过锁定金额"),
    "lock_too_long": Problem(422, "A lock ends within seven days, and not before now", "锁定期限无效"),
    "too_many_claims": Problem(409, "Too many claims count on this bill", "票据报销申请过多"),
    "grant_unknown": Problem(404, "No such grant, or not on a bill of yours", "授权不存在或不属于您的票据"),
    "grant_exists": Problem(409, "This grant's name is used", "授权编号已使用"),
    "grant_revoked": Problem(409, "The same was granted before and taken back", "相同授权曾授予并已撤回"),
    "grant_expired": Problem(409, "The grant has run out", "授权已到期"),
    "grant_too_long": Problem(422, "A grant ends within five years, and not before now", "授权期限无效"),
    "already_revoked": Problem(409, "The grant was taken back already", "授权已撤回"),
    "too_many_grants": Problem(409, "Too many grants on this bill", "票据授权过多"),
    "fields_malformed": Problem(422, "Not an ascending list of fields that may be granted", "授权字段列表格式错误"),
    "not_a_reader": Problem(403, "This organisation is of no kind that reads by grants", "该单位不能凭授权查阅票据"),
    "not_details_keeper": Problem(403, "This organisation does not keep the bill's details", "该单位不保管票据明细"),
    "proxy_queued": Problem(
        409, "The proxy is on its way to the ledger: end it once it is there", "授权正在上链，请稍后终止"
    ),
    "proxy_exists": Problem(409, "This proxy's name is used", "授权编号已使用"),
    "already_ended": Problem(409, "This proxy was ended already", "授权已终止"),
    "proxy_expired": Problem(409, "The proxy's end has passed", "授权已到期"),
    "proxy_too_long": Problem(422, "A proxy ends within twenty years", "授权期限过长"),
    "too_many_proxies": Problem(409, "Too many proxies of one person", "授权数量已达上限"),
    "accesses_malformed": Problem(422, "The piece of the log ends before it begins", "查阅日志区间无效"),
    "accesses_moved": Problem(409, "The log is anchored up to another entry", "查阅日志锚点已变化"),
    "bill_not_recorded": Problem(409, "The bill is not final yet", "票据尚未上链确认"),
    "bill_superseded": Problem(409, "Another bill stands for this one", "票据已被替代"),
    "range_unknown": Problem(409, "No such range", "号段不存在"),
    "range_overlaps": Problem(409, "These numbers are allotted already", "号段重叠"),
    "range_moved": Problem(409, "The range begins elsewhere by now: try again", "号段起点已变化，请重试"),
    "range_exhausted": Problem(409, "The range has not so many numbers left", "号段余量不足"),
    "watermark_moved": Problem(409, "Sealed further than that already", "签章进度已变化"),
    "segment_not_final": Problem(409, "These heights are not final", "区块高度尚未确认"),
    "header_unknown": Problem(409, "The ledger has no such block", "区块头不存在"),
    "not_in_segment": Problem(409, "The bill is not in this segment", "票据不在该签章范围"),
    "already_withheld": Problem(409, "The seal is withheld already", "签章已暂缓"),
    "not_withheld": Problem(409, "The seal is not withheld", "签章未暂缓"),
    "set_moved": Problem(409, "The set of validators is another by now: propose anew", "验证人集合已变化，请重新提议"),
    "change_unknown": Problem(409, "No such proposal", "变更提议不存在"),
    "change_expired": Problem(409, "The proposal is open no longer", "变更提议已过期"),
    "change_made": Problem(409, "The change was made already", "变更已生效"),
    "already_approved": Problem(409, "You approved this change already", "您已同意该变更"),
    "seat_unknown": Problem(409, "This organisation has no seat to leave", "该单位没有验证席位"),
    "seat_unchanged": Problem(409, "The seat has this key already", "该席位已使用此密钥"),
    "too_few_members": Problem(409, "Fewer than 4 validators tolerate no fault", "验证人少于四个"),
    "too_many_members": Problem(409, "More validators than a message can speak of", "验证人数量已达上限"),
    "renewed_lately": Problem(409, "This member renewed its journal lately", "该验证人近期已更新"),
    "key_used": Problem(409, "This key is somebody's already", "密钥已被使用"),
    "key_ended": Problem(409, "The key ends earlier already", "密钥已提前终止"),
    "last_key": Problem(409, "Nobody could sign for the organisation any more", "该单位将无可用密钥"),
    "height_passed": Problem(409, "This block is past: name a later one", "区块高度已过"),
    "linked_failed": Problem(409, "An operation that this one is linked to failed", "关联操作失败"),
    "transaction_repeated": Problem(409, "This transaction ran already", "交易已执行"),
    "transaction_expired": Problem(409, "The transaction is valid no longer", "交易已过期"),
    "transaction_too_early": Problem(409, "The transaction is valid too far ahead", "交易有效期过远"),
    # nothing was kept: try again
    "no_numbers": Problem(503, "No numbers are left here", "号码已用尽"),
    "outbox_full": Problem(503, "The outbox is full", "待发队列已满"),
    "disk_nearly_full": Problem(503, "The node's disk is nearly full", "节点磁盘空间不足"),
    "mempool_full": Problem(503, "Too much waits already", "待处理交易过多"),
    "too_many_connections": Problem(503, "Too many connections are open here", "连接数已达上限"),
    "too_many_streams": Problem(503, "Too many streams of events are open here", "事件流数量已达上限"),
    "unavailable": Problem(503, "Not available at the moment", "服务暂不可用"),
    "storage_failed": Problem(503, "The node's disk took no write", "节点存储写入失败"),
    "storage_damaged": Problem(503, "The node's disk is damaged", "节点存储损坏"),
    "storage_locked": Problem(503, "The node's store is in use", "节点存储被占用"),
    "internal_error": Problem(500, "The node failed", "节点内部错误"),
}
PROBLEMS |= MONEY_PROBLEMS | VISIT_PROBLEMS


class ProblemBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error, after RFC 9457. `code` is stable; `type` leads to a page about it; `errors` names the places."""

    type: str
    title: str
    status: int
    code: str
    request_id: str
    detail: str = ""
    errors: list[FieldError] = []
    operation: str | None = None  # when something was kept and refused later
    height: int | None = None
    bill_id: str | None = None
    links: dict[str, str] = {}


def find_problem(code: str) -> tuple[str, Problem]:
    """The code and its entry; a code that nobody has entered is our own fault: 500, logged."""
    problem = PROBLEMS.get(code)
    if problem is None:
        log.error("problem_code_unknown", code=code)
        return "internal_error", PROBLEMS["internal_error"]
    return code, problem


def build_problem(
    code: str,
    request_id: str,
    language: str = "en",
    detail: str = "",
    errors: list[FieldError] | None = None,
    **more: Any,
) -> ProblemBody:
    """The body. `language` is that of the title, `zh` or `en`; details are English. `more`: see ProblemBody."""
    code, problem = find_problem(code)
    if code == "internal_error":
        detail = ""  # an unforeseen text may hold anything
    return ProblemBody(
        type=f"/problems/{code}",
        title=problem.zh if language == "zh" else problem.en,
        status=problem.status,
        code=code,
        request_id=request_id,
        detail=detail,
        errors=errors or [],
        **more,
    )


def choose_language(accept_language: str) -> str:
    """`zh` or `en`, whichever an Accept-Language header prefers (RFC 9110, 12.5.4); English where it names neither."""
    best, best_weight = "en", 0.0
    for part in accept_language[:200].split(","):
        name, _, parameter = part.strip().partition(";")
        language = name.strip().lower().partition("-")[0]
        weight = 1.0
        if parameter.strip().startswith("q="):
            try:
                weight = float(parameter.strip()[2:])
            except ValueError:
                weight = 0.0
        if language in ("zh", "en") and weight > best_weight:
            best, best_weight = language, weight
    return best


def problem_page(code: str) -> str | None:
    """A page about a code, in both languages, that loads nothing from anywhere; None if there is no such code."""
    problem = PROBLEMS.get(code)
    if problem is None:
        return None
    name = html.escape(code)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>'
        f"<h1><code>{name}</code> · HTTP {problem.status}</h1>"
        f'<p>{html.escape(problem.en)}.</p><p lang="zh-CN">{html.escape(problem.zh)}。</p></html>\n'
    )
