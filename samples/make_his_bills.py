"""Write sample bills of invented people, in the shape that a hospital's system sends them (fields of the Bosssoft medical
interface, as far as public code shows them).

    python samples/make_his_bills.py [--out DIR] [--seed N] [--first-day YYYY-MM-DD]

The same arguments give the same bytes on every Python: only `random.Random(seed).random()` is drawn from, and money is
counted in whole 1/10,000 yuan. No person is real: names are put together from lists, and the identity numbers carry the
region 990000, which was never given out. hospital-a writes amounts as JSON numbers, hospital-b as texts; both occur.
Every bill's charges and every bill's payment channels add up to its total; each charge is the sum of its detail lines,
rounded half up to the fen; bills paid in cash are rounded to 0.10 yuan by a line 货币误差, as cashiers do.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SEED = 20261012
FIRST_DAY = "2026-10-12"
DAYS = 7

# file -> (hospital, kind of bill, how many)
FILES = {
    "hospital-a-outpatient": ("hospital-a", "outpatient", 110),
    "hospital-a-inpatient": ("hospital-a", "inpatient", 26),
    "hospital-a-registration": ("hospital-a", "registration", 36),
    "hospital-a-checkup": ("hospital-a", "checkup", 14),
    "hospital-b-outpatient": ("hospital-b", "outpatient", 58),
    "hospital-b-inpatient": ("hospital-b", "inpatient", 10),
}
PLACES = {"hospital-a": ("A01", "A02"), "hospital-b": ("B01",)}
PREFIX = {"outpatient": "MZ", "inpatient": "ZY", "registration": "GH", "checkup": "TJ"}

FAMILY = (
    "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜戚谢邹喻柏水窦章云苏潘葛奚范彭郎鲁韦昌马苗凤花方俞"
)
FAMILY_TWO = ("欧阳", "司马", "上官", "诸葛")
GIVEN = "安宁静怡思远明轩子涵雨桐嘉禾建国秀英海燕志强晓峰玉兰文博若曦清扬景行春生秋实立夏望舒知微长庚凌霄"
DEPARTMENTS = (
    "全科医学科",
    "心血管内科",
    "内分泌科",
    "呼吸内科",
    "消化内科",
    "骨科",
    "神经内科",
    "中医科",
    "儿科",
    "眼科",
)
WARDS = ("普外科病区", "骨科病区", "心血管内科病区", "呼吸内科病区")
CASHIERS = ("收费员01", "收费员02", "收费员03", "自助机07")
UNITS = ("临江机械制造有限公司（样例）", "青石小学（样例）", "云溪物流有限公司（样例）")
# medCareTypeCode -> (name, how often, fund's share of covered charges, share from the personal account)
INSURANCE = {
    "01": ("城镇职工基本医疗保险", 0.45, 0.72, 0.10),
    "02": ("城镇居民基本医疗保险", 0.30, 0.55, 0.0),
    "06": ("全公费", 0.03, 0.95, 0.0),
    "07": ("全自费", 0.22, 0.0, 0.0),
}
CASH_CHANNELS = ("02", "04", "05", "07")  # cash, Alipay, WeChat, card
CASH, INSURANCE_CHANNEL = "02", "11"


class Dice:
    """Draws that are the same on every Python: `random.Random.random` is guaranteed to be, its other methods are not."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)

    def below(self, bound: int) -> int:
        return int(self.source.random() * bound)

    def pick(self, values: Any) -> Any:
        return values[self.below(len(values))]

    def chance(self, probability: float) -> bool:
        return self.source.random() < probability

    def some(self, values: list[Any], count: int) -> list[Any]:
        """`count` different ones, in the order of `values`."""
        places = list(range(len(values)))
        chosen = sorted(places.pop(self.below(len(places))) for _ in range(min(count, len(values))))
        return [values[place] for place in chosen]


@dataclass
class Person:
    name: str
    sex: str
    age: int
    identity: dict[str, str]  # the body's members that identify the payer
    insurance: str
    number: str  # of the patient in the hospital


@dataclass
class Amounts:
    """Of one bill, in 1/10,000 yuan."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    charges: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    covered: int = 0  # what the insurance looks at
    uncovered: int = 0


def read_catalogue() -> list[dict[str, str]]:
    with (HERE / "his_catalogue.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def e4(text: str) -> int:
    """1/10,000 yuan of a decimal text."""
    whole, _, part = text.partition(".")
    return int(whole) * 10_000 + int((part + "0000")[:4])


def half_up(amount: int, step: int) -> int:
    """The multiple of `step` nearest to a non-negative amount."""
    return (amount + step // 2) // step * step


def identity_number(dice: Dice, born: date) -> str:
    """Eighteen places with a right check character (ISO 7064 MOD 11-2), of a region that does not exist."""
    body = f"990000{born:%Y%m%d}{dice.below(1000):03d}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True)) % 11]


def person(dice: Dice, today: date) -> Person:
    family = dice.pick(FAMILY_TWO) if dice.chance(0.03) else dice.pick(FAMILY)
    given = "".join(dice.pick(GIVEN) for _ in range(1 if dice.chance(0.2) else 2))
    age = 1 + dice.below(88)
    born = date(today.year - age, 1 + dice.below(9), 1 + dice.below(28))
    insurance, draw = "07", dice.source.random()
    for code, (_, share, _, _) in INSURANCE.items():
        if draw < share:
            insurance = code
            break
        draw -= share
    if dice.chance(0.9):
        identity = {"payerType": "1", "idCardNo": identity_number(dice, born)}
    elif dice.chance(0.5):
        identity = {"payerType": "1", "cardType": "3101", "cardNo": f"JZ{dice.below(10**8):08d}"}
    else:
        identity = {"payerType": "1"}
    return Person(family + given, dice.pick(("男", "女")), age, identity, insurance, f"P{dice.below(10**7):07d}")


def count_milli(dice: Dice, row: dict[str, str], days: int) -> int:
    text = dice.pick(row["quantities"].split(" "))
    return days * 1000 if text == "days" else int(e4(text) // 10)


def amounts(dice: Dice, rows: list[dict[str, str]], days: int, cash: bool) -> Amounts:
    """Lines and charges of the rows chosen from the catalogue."""
    found = Amounts()
    for row in rows:
        quantity = count_milli(dice, row, days)
        price = e4(row["price"])
        amount = half_up(price * quantity, 1000) // 1000
        uncovered = {"甲": 0, "乙": half_up(amount // 10, 100), "丙": amount}[row["cover"]]
        found.lines.append({"row": row, "quantity": quantity, "price": price, "amount": amount, "own": uncovered})
    for code in dict.fromkeys(row["charge_code"] for row in rows):
        lines = [line for line in found.lines if line["row"]["charge_code"] == code]
        amount = half_up(sum(line["amount"] for line in lines), 100)
        name, own = lines[0]["row"]["charge_name"], half_up(sum(line["own"] for line in lines), 100)
        found.charges.append({"code": code, "name": name, "amount": amount, "own": min(own, amount)})
    exact = sum(charge["amount"] for charge in found.charges)
    found.uncovered = sum(charge["own"] for charge in found.charges)
    found.covered = exact - found.uncovered
    found.total = half_up(exact, 1000) if cash else exact
    if found.total != exact:
        found.charges.append({"code": "HBWC", "name": "货币误差", "amount": found.total - exact, "own": 0})
    return found


def choose(dice: Dice, kind: str, catalogue: list[dict[str, str]]) -> list[dict[str, str]]:
    """Rows of the catalogue that one bill of a kind is made of, by charge."""
    use = {"inpatient": "I", "registration": "R", "checkup": "C"}.get(kind) or ("E" if dice.chance(0.2) else "O")
    rows = [row for row in catalogue if use in row["use"]]
    if kind == "registration":
        return dice.some([row for row in rows if row["charge_code"] == "13"], 1) + dice.some(
            [row for row in rows if row["charge_code"] == "02"], 1
        )
    if kind == "inpatient":
        always = [row for row in rows if row["charge_code"] in {"02", "07"}]
        bed = dice.some([row for row in rows if row["charge_code"] == "01"], 1)
        others = [row for row in rows if row["charge_code"] not in {"01", "02", "07"}]
        return sorted(bed + always + dice.some(others, 8 + dice.below(9)), key=lambda row: row["charge_code"])
    if kind == "checkup":
        return dice.some(rows, 7 + dice.below(6))
    if dice.chance(0.1):  # a prescription of Chinese medicine
        return [row for row in rows if row["charge_code"] == "10"] or dice.some(rows, 3)
    return dice.some(rows, 1 + dice.below(6))


def bill(
    dice: Dice, hospital: str, kind: str, number: int, day: date, catalogue: list[dict[str, str]]
) -> dict[str, Any]:
    patient = person(dice, day)
    days = 2 + dice.below(12) if kind == "inpatient" else 1
    channel = dice.pick(CASH_CHANNELS)
    found = amounts(dice, choose(dice, kind, catalogue), days, channel == CASH)
    while found.total == 0:  # a bill over nothing is no bill
        found = amounts(dice, choose(dice, kind, catalogue), days, channel == CASH)
    money = text_amount if hospital == "hospital-b" else number_amount
    moment = datetime(day.year, day.month, day.day, 7 + dice.below(11), dice.below(60), dice.below(60))
    name, _, fund_share, account_share = INSURANCE[patient.insurance]
    fund = half_up(int(found.covered * fund_share), 100)
    account = half_up(int(found.covered * account_share), 100)
    other = half_up(fund // 20, 100) if kind == "inpatient" and fund and dice.chance(0.3) else 0
    cash = found.total - fund - account - other
    own_share = max(0, min(found.covered, found.total - found.uncovered) - fund)
    body: dict[str, Any] = {
        "busNo": f"{PREFIX[kind]}{day:%Y%m%d}{PLACES[hospital][0][0]}{number:06d}",
        "busType": {"inpatient": "01", "checkup": "05", "registration": "06"}.get(kind, "02"),
        "payer": patient.name,
        "busDateTime": f"{moment:%Y%m%d%H%M%S}{dice.below(1000):03d}",
        "placeCode": dice.pick(PLACES[hospital]),
        "payee": dice.pick(CASHIERS),
        "author": "系统管理员",
        "checker": "复核员01",
        "totalAmt": money(found.total, 2),
        **patient.identity,
        "medicalInstitution": "综合医院",
        "medCareTypeCode": patient.insurance,
        "medicalCareType": name,
        "patientNo": patient.number,
        "sex": patient.sex,
        "age": f"{patient.age}岁",
    }
    if kind == "outpatient" and any(line["row"]["code"] == "110200004" for line in found.lines):
        body["busType"] = "03"
    if kind == "checkup" and dice.chance(0.25):
        body |= {"payer": dice.pick(UNITS), "payerType": "2", "idCardNo": f"91990000SAMPLE{dice.below(10**4):04d}"}
    if patient.insurance != "07":
        body |= {"medicalInsuranceID": f"99{dice.below(10**8):08d}", "balancedNumber": f"JS{day:%y%m%d}{number:06d}"}
    if kind == "inpatient":
        body |= inpatient_members(dice, patient, day, days, cash, money)
    else:
        body |= {"consultationDate": day.isoformat(), "patientCategory": dice.pick(DEPARTMENTS)}
    body |= {
        "fundPay": money(fund, 2),
        "accountPay": money(account, 2),
        "otherfundPay": money(other, 2),
        "ownPay": money(min(found.uncovered, found.total), 2),
        "selfPayAmt": money(own_share, 2),
        "selfCashPay": money(cash, 2),
    }
    channels = [(INSURANCE_CHANNEL, fund + account + other), (channel, cash)]
    body["payChannelDetail"] = [
        {"payChannelCode": code, "payChannelValue": money(value, 2)} for code, value in channels if value
    ]
    body["chargeDetail"] = [charge_member(place, charge, money) for place, charge in enumerate(found.charges, 1)]
    body["listDetail"] = [line_member(place, line, money) for place, line in enumerate(found.lines, 1)]
    return body


def inpatient_members(dice: Dice, patient: Person, day: date, days: int, cash: int, money: Any) -> dict[str, Any]:
    deposit = (1 + dice.below(30)) * 1_000_000
    return {
        "caseNumber": f"BL{patient.number[1:]}",
        "hospitalNo": f"ZY{dice.below(10**6):06d}",
        "visitNo": "1",
        "inHospitalDate": (day - timedelta(days=days)).isoformat(),
        "outHospitalDate": day.isoformat(),
        "hospitalDays": str(days),
        "bedNo": f"{1 + dice.below(48)}床",
        "category": dice.pick(("普外科", "骨科", "心血管内科", "呼吸内科")),
        "leaveCategory": dice.pick(WARDS),
        "cashPay": money(deposit, 2),
        "cashRecharge": money(max(0, cash - deposit), 2),
        "cashRefund": money(max(0, deposit - cash), 2),
    }


def charge_member(place: int, charge: dict[str, Any], money: Any) -> dict[str, Any]:
    return {
        "sortNo": place,
        "chargeCode": charge["code"],
        "chargeName": charge["name"],
        "unit": "项",
        "number": 1,
        "amt": money(charge["amount"], 2),
        "selfAmt": money(charge["own"], 2),
    }


def line_member(place: int, line: dict[str, Any], money: Any) -> dict[str, Any]:
    row = line["row"]
    return {
        "sortNo": place,
        "chargeCode": row["charge_code"],
        "listTypeName": row["list_type"],
        "code": row["code"],
        "name": row["name"],
        "specification": row["specification"],
        "unit": row["unit"],
        "std": money(line["price"], 4),
        "number": money(line["quantity"] * 10, 2),
        "amt": money(line["amount"], 4),
        "medicalCareType": row["cover"],
    }


def text_amount(amount: int, places: int) -> str:
    sign, amount = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{amount // 10_000}.{amount % 10_000:04d}"[: None if places == 4 else -2]


def number_amount(amount: int, places: int) -> float | int:
    """The shortest binary float that reads back as the decimal, or a whole number."""
    return amount // 10_000 if amount % 10_000 == 0 else float(text_amount(amount, places))


def bills(seed: int, first_day: date) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each file's name and bodies."""
    catalogue = read_catalogue()
    for place, (name, (hospital, kind, count)) in enumerate(FILES.items()):
        dice = Dice(seed * 100 + place)
        bodies = [
            bill(dice, hospital, kind, number, first_day + timedelta(days=number * DAYS // count), catalogue)
            for number in range(count)
        ]
        if name == "hospital-a-outpatient":  # one day surgery, billed in three
            for body in bodies[40:43]:
                who = ("payer", "payerType", "idCardNo", "sex", "age", "patientNo")
                body |= {key: bodies[40].get(key, "") for key in who}
                body |= {"eBillRelateNo": f"YW{first_day:%Y%m}0001", "remark": "日间手术"}
        yield name, bodies


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Write sample bills of invented people as a hospital's system sends them."
    )
    parser.add_argument("--out", type=Path, default=HERE / "his", help="folder to write to (default: samples/his)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--first-day", type=date.fromisoformat, default=date.fromisoformat(FIRST_DAY))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, bodies in bills(arguments.seed, arguments.first_day):
        lines = ",\n".join(json.dumps(body, ensure_ascii=False, separators=(",", ":")) for body in bodies)
        (arguments.out / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
