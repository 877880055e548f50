"""Codes of schedules, appointments and visits: the same table as `problems.py`, of which this is a part."""

from __future__ import annotations

from api.problem import Problem

VISIT_PROBLEMS: dict[str, Problem] = {
    # schedules
    "schedule_exists": Problem(409, "This schedule's name is used", "排班编号已使用"),
    "schedule_unknown": Problem(404, "No such schedule, or not yours", "排班不存在"),
    "schedule_malformed": Problem(
        422, "Pools, times or fee of the schedule do not fit together", "排班的号源、时间或费用不一致"
    ),
    "schedule_over": Problem(409, "It is too late for this schedule", "该排班已结束或已停止预约"),
    "schedule_too_far": Problem(422, "A schedule begins within 90 days", "排班开始日期须在90天内"),
    "schedule_stopped": Problem(409, "The schedule was stopped", "该排班已停诊"),
    "staff_unchanged": Problem(409, "The same person sees the patients already", "替诊医生与原医生相同"),
    # appointments
    "appointment_exists": Problem(409, "This appointment's name is used", "预约编号已使用"),
    "appointment_unknown": Problem(404, "No such appointment, or not yours", "预约不存在"),
    "appointment_blocked": Problem(
        409, "Missed too often: no appointments until the day that is named", "爽约次数过多，暂停预约"
    ),
    "already_appointed": Problem(409, "They have an appointment in this schedule already", "该排班已有预约"),
    "number_unknown": Problem(422, "The schedule has no such number", "排班没有该号"),
    "pool_closed": Problem(409, "Another channel gives this number out for now", "该号目前仅限其他渠道预约"),
    "slot_taken": Problem(409, "Somebody else has this number", "该号已被预约"),
    "appointment_cancelled": Problem(409, "The appointment was cancelled", "预约已取消"),
    "appointment_unconfirmed": Problem(409, "The appointment's fee is not paid yet", "预约尚未缴费确认"),
    "already_confirmed": Problem(409, "The appointment is confirmed already", "预约已确认"),
    "already_arrived": Problem(409, "They have come already", "已报到"),
    "already_missed": Problem(409, "They did not come to it", "已记为爽约"),
    "cancel_too_late": Problem(409, "It is too late to cancel", "已过可取消时间"),
    "too_early": Problem(409, "It is too early for that", "尚未到时间"),
    "fee_differs": Problem(409, "The order does not fit the appointment's fee", "订单金额与挂号费不符"),
    "order_unpaid": Problem(409, "No paid order is named", "订单尚未支付"),
    "order_of_other": Problem(409, "The order is for what somebody else owes", "订单属于其他患者"),
    "order_used": Problem(409, "The order has paid for something else already", "订单已用于其他预约或就诊"),
    # visits
    "visit_exists": Problem(409, "This visit's name is used", "就诊编号已使用"),
    "visit_unknown": Problem(404, "No such visit, or not yours", "就诊不存在"),
    "visit_malformed": Problem(422, "No such kind of visit, or an emergency that is none", "就诊类型无效"),
    "visit_closed": Problem(409, "The visit is over", "就诊已结束"),
    "emergency_undeclared": Problem(422, "Somebody has to declare an emergency", "急诊须注明认定人"),
    "time_out_of_window": Problem(422, "This moment lies ahead, or too far behind", "时间超出允许范围"),
    "appointment_of_other": Problem(409, "This appointment is another patient's", "预约属于其他患者"),
    "appointment_used": Problem(409, "This appointment has its visit already", "该预约已有就诊记录"),
    "stamp_exists": Problem(409, "This step of the visit was recorded otherwise", "该就诊步骤已登记"),
    "stamp_before_former": Problem(422, "A step comes after the one before it", "时间早于上一步骤"),
    "too_many_stamps": Problem(409, "A visit has so many steps and no more", "就诊步骤过多"),
    "already_charged": Problem(409, "The visit has this order already", "该订单已计入本次就诊"),
    "charge_pending": Problem(
        409, "A charge of the visit is on its way to the ledger: ask again", "本次就诊有收费尚未入账，请稍后重试"
    ),
    "too_many_charges": Problem(409, "A visit has so many charges and no more", "就诊收费笔数过多"),
}
