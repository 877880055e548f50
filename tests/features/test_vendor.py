"""Row 2: a hospital system as it is. Requests as the vendor's clients send them, over TLS, and every answer's sign checked."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import ssl
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from api.medical.services import SERVICES
from tests.faces.qr_reader import read_qr
from tests.features.acting import verified
from tests.network.running import ROOT, Network

pytestmark = pytest.mark.processes

APP, KEY = "HISB", "k" * 32
REQUESTS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("vendor_requests.json").read_text("utf-8"))
# what the ledger has nothing of: deposits are payments, and a node has no printer
NOT_SERVED = ("printPaperBill", *(name for name in REQUESTS if "PayMentVoucher" in name))
FORMS = [{"place": "B01", "code": "33060001", "first": "0000000101", "last": "0000000106"}]
SERVICE_OF = {"01": "invEBillHospitalized", "05": "invEBillCheckUp", "06": "invEBillRegistration"}
_numbers = itertools.count(1)


class His:
    """A client of the vendor's interface that shares no code with the node."""

    def __init__(self, network: Network) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        port = network.nodes["hospital-b"]["api_port"]
        self.http = httpx2.Client(
            base_url=f"https://127.0.0.1:{port}/compat/medical", verify=context, trust_env=False, timeout=30
        )

    def sign(self, data: str, noise: str, version: str = "1.0") -> str:
        text = f"appid={APP}&data={data}&noise={noise}&key={KEY}&version={version}"
        return hashlib.md5(text.encode()).hexdigest().upper()

    def envelope(self, body: Any) -> dict[str, str]:
        data, noise = base64.b64encode(json.dumps(body, ensure_ascii=False).encode()).decode(), uuid.uuid4().hex
        return {"appid": APP, "data": data, "noise": noise, "version": "1.0", "sign": self.sign(data, noise)}

    def call(self, service: str, body: Any) -> tuple[str, Any]:
        """Result, and the message as an object where it is one. The answer's own sign must hold."""
        sent = self.envelope(body)
        answer = self.http.post(f"/{service}", json=sent)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        assert said["noise"] == sent["noise"]
        assert said["sign"] == self.sign(said["data"], said["noise"])
        inner = json.loads(base64.b64decode(said["data"]))
        message = base64.b64decode(inner["message"]).decode()
        return inner["result"], json.loads(message) if inner["result"] == "S0000" else message


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Hospital B's gateway serves TLS and knows one hospital system; nobody else's does."""

    def with_tls(text: str) -> str:
        head, mark, tail = text.rpartition("  - name: hospital-b\n    kind: gateway\n")
        assert mark
        return f"{head}{mark}    api_tls: true\n{tail}"

    network = Network(tmp_path_factory.mktemp("vendor"), with_tls)
    file = network.node_home("hospital-b") / "config" / "medical.json"
    file.write_text(json.dumps({APP: KEY}))
    file.chmod(0o600)
    file.with_name("paper-forms.json").write_text(json.dumps(FORMS))
    try:
        network.up()
        yield network
    finally:
        network.down()


@pytest.fixture(scope="module")
def his(network: Network) -> His:
    return His(network)


def bodies(kind: str) -> list[dict[str, Any]]:
    """Recorded bodies of hospital B's system, of today and under new business numbers."""
    found = json.loads((ROOT / "samples" / "his" / f"hospital-b-{kind}.json").read_text("utf-8"))
    now = datetime.now(timezone(timedelta(hours=8))).strftime("%Y%m%d%H%M%S") + "000"
    return [
        {**body, "busNo": f"V{next(_numbers)}-{body['busNo']}", "busDateTime": now, "placeCode": "B01"}
        for body in found
    ]


def issued(his: His, body: dict[str, Any]) -> dict[str, str]:
    service = SERVICE_OF.get(body["busType"], "invoiceEBillOutpatient")
    result, message = his.call(service, body)
    assert result == "S0000", message
    return dict(message)


def key_of(message: dict[str, str]) -> dict[str, str]:
    return {"billBatchCode": message["billBatchCode"], "billNo": message["billNo"]}


def recorded(service: str, **changes: Any) -> dict[str, Any]:
    """A request as it was recorded, about another bill or day."""
    return {**REQUESTS[service], **changes}


def sealed(network: Network, message: dict[str, str]) -> None:
    bill = message["billBatchCode"] + message["billNo"]
    network.until(
        lambda: network.api("archive", "auditor").get(f"/bills/{bill}").json().get("sealed"), f"{bill} is sealed", 30
    )


def opened(network: Network, address: str) -> dict[str, Any]:
    """What a phone gets at an address, over TLS that it trusts: the page, and what the page asks for. The proof must hold."""
    parts = urlsplit(address)
    number, _, token = parts.path.rpartition("/")[2].partition(".")
    assert parts.fragment == f"chain={network.chain_id}"
    trusted = ssl.create_default_context(cafile=str(network.home / "organisations" / "hospital-b" / "ca.pem"))
    with httpx2.Client(verify=trusted, trust_env=False, timeout=30) as phone:
        page = phone.get(address)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert 'id="verdict"' in page.text
        asked = f"{parts.scheme}://{parts.netloc}/v1/bills/{number}/proof?fields=payer_name,charges"
        assert phone.get(asked).status_code == 404  # the token is the key
        proof = phone.get(asked, headers={"Medbill-Check-Code": token})
    assert proof.status_code == 200, proof.text
    return verified(network, proof.content)


@pytest.mark.parametrize("kind", ["outpatient", "inpatient"])
def test_02_recorded_bills_get_their_number_and_check_code(network: Network, his: His, kind: str) -> None:
    for body in bodies(kind)[:5]:
        message = issued(his, body)
        assert len(message["billBatchCode"]) == 8
        assert len(message["billNo"]) == 10
        assert len(message["random"]) == 6
        assert issued(his, body)["billNo"] == message["billNo"]  # the same again after a timeout
        result, found = his.call("getEBillByBusNo", {"busNo": body["busNo"], "busDateTime": body["busDateTime"]})
        wanted = ("billQRCode", "pictureUrl", "pictureNetUrl", "random")
        assert (result, found) == ("S0000", {**key_of(message), **{name: message[name] for name in wanted}})
    sealed(network, message)
    page = network.api("archive", "auditor").get(f"/bills/{message['billBatchCode']}{message['billNo']}").json()
    assert page["issuer"] == "hospital-b"


def test_02_the_qr_code_is_read_and_the_links_open_the_bill(network: Network, his: His) -> None:
    """The picture is decoded, and what it says is opened: a page, and behind it a proof of this very bill."""
    body = bodies("outpatient")[0]
    message = issued(his, body)
    address = read_qr(base64.b64decode(message["billQRCode"]))
    assert address == message["pictureUrl"] == message["pictureNetUrl"]
    assert message["billBusDate"] == body["busDateTime"][:8]
    sealed(network, message)
    bill = opened(network, address)
    assert bill["bill_id"] == message["billBatchCode"] + message["billNo"]
    assert bill["opened"]["payer_name"] == body["payer"]
    assert issued(his, body)["billQRCode"] == message["billQRCode"]  # asked again, another day or here


def test_02_both_dialects_of_decimals_and_dates(his: His) -> None:
    """Four and six decimals, in quotes or not; yyyy-MM-dd and yyyyMMdd: the same bill."""
    body = bodies("outpatient")[0]
    total = float(body["totalAmt"])
    quoted = {**body, "totalAmt": f"{total:.6f}", "consultationDate": "20261001"}
    assert issued(his, quoted)["billNo"]
    written = {**body, "busNo": body["busNo"] + "-2", "totalAmt": f"{total:.4f}", "consultationDate": "2026-10-01"}
    assert issued(his, written)["billNo"]


def test_02_a_wrong_sign_and_an_unknown_app_get_their_codes(his: His) -> None:
    sent = his.envelope({"busNo": "x"})
    for change, code in (
        ({"sign": "0" * 32}, "E1003"),
        ({"appid": "OTHER"}, "E1002"),
        ({"data": sent["data"] + "AAAA"}, "E1003"),
    ):
        answer = his.http.post("/getEBillByBusNo", json={**sent, **change}).json()
        assert answer["result"] == code
    assert (
        his.http.post("/getEBillByBusNo", content=b"{", headers={"Content-Type": "application/json"}).json()["result"]
        == "E1001"
    )
    assert his.call("getBillInfoByNobody", {})[0] == "E1004"


def test_02_what_is_wrong_with_a_body_is_told_with_its_place(his: His) -> None:
    body = bodies("outpatient")[0]
    result, text = his.call("invoiceEBillOutpatient", {**body, "totalAmt": float(body["totalAmt"]) + 1})
    assert result == "E2001"
    assert text.startswith("sum_mismatch")
    assert his.call("invEBillCheckUp", body)[0] == "E2001"  # busType is another service's
    assert his.call("invoiceEBillOutpatient", {"busNo": "only"})[1].startswith("member_missing")
    assert his.call("invoiceEBillOutpatient", [1, 2])[0] == "E2001"
    assert his.call("getEBillStatesByBillInfo", {"billBatchCode": "33060126", "billNo": "9999999999"})[0] == "E4001"
    other = {**bodies("outpatient")[1], "busNo": body["busNo"] + "-c"}
    issued(his, {**body, "busNo": other["busNo"]})
    assert his.call("invoiceEBillOutpatient", other)[0] == "E3001"  # one business number, two contents


def test_02_red_flush_states_and_accounting(network: Network, his: His) -> None:
    message = issued(his, bodies("outpatient")[0])
    sealed(network, message)
    assert his.call("getEBillStatesByBillInfo", key_of(message)) == ("S0000", {"state": "1", "isScarlet": "0"})
    assert his.call("getEBillAccountStatus", key_of(message)) == ("S0000", {"isAccount": "0"})
    order = {**key_of(message), "reason": "退费", "operator": "收费员01", "busDateTime": "", "placeCode": "B01"}
    result, said = his.call("writeOffEBill", order)  # a machine is one person
    assert (result, said.partition(": ")[0]) == ("E3001", "awaiting_second")
    agree = ("approvals", "agree", said.partition(": ")[2], "--person", "checker-02")
    assert network.json(*agree, "--home", str(network.home), "--via", "hospital-b")["status"] == "sealed"
    assert his.call("writeOffEBill", order)[1].startswith("already_reversed")
    network.until(lambda: his.call("getEBillStatesByBillInfo", key_of(message))[1]["isScarlet"] == "1", "red", 20)


def test_02_paper_through_the_same_interface(network: Network, his: His) -> None:
    message = issued(his, bodies("outpatient")[0])
    sealed(network, message)
    bill = message["billBatchCode"] + message["billNo"]

    def paper() -> dict[str, Any]:
        return dict(network.api("archive", "auditor").get(f"/bills/{bill}").json()["life"])

    first, second = ({**key_of(message), "pBillBatchCode": "33060001", "pBillNo": f"{n:010d}"} for n in (1, 2))
    assert his.call("turnPaper", first)[0] == "S0000"
    network.until(lambda: paper()["paper"] == "out", "printed", 20)
    assert his.call("turnPaper", second)[1].startswith("paper_copy_exists")
    assert his.call("reTurnPaper", second)[0] == "S0000"
    network.until(lambda: paper().get("paper_form") == "330600010000000002", "printed again", 20)
    assert his.call("writeOffEBill", {**key_of(message), "reason": "x", "operator": "y"})[1] == "paper_copy_outstanding"
    assert his.call("invalidPaper", second)[0] == "S0000"
    network.until(lambda: paper()["paper"] == "none", "taken back", 20)
    blanks = {"pBillBatchCode": "33060001", "pBillNoStart": "0000000010", "pBillNoEnd": "0000000012"}
    assert his.call("invalidBlankBillNo", blanks)[0] == "S0000"
    for wrong in (
        {"pBillNoEnd": "0000009999"}, {"pBillBatchCode": "06-01"}, {"pBillBatchCode": "ab"}, {"pBillNoStart": "²"},
        {"pBillNoStart": "9" * 5_000, "pBillNoEnd": "9" * 5_000},
    ):  # fmt: skip
        assert his.call("invalidBlankBillNo", {**blanks, **wrong})[0] == "E2001"


def test_02_blank_forms_go_down_one_by_one(network: Network, his: His) -> None:
    """The hospital says what lies at its counter, the ledger which of it is used: by whomever, and also while it waits in the outbox."""

    def next_form() -> Any:
        return his.call("getPaperBillNo", recorded("getPaperBillNo"))

    def stock() -> list[dict[str, Any]]:
        result, message = his.call("getValidBillBatchCode", recorded("getValidBillBatchCode"))
        assert (result, message["pBillBatchCode"]) == ("S0000", "33060001")
        (listed,) = message["billCodeList"]
        assert listed["billCode"] == "33060001"
        return list(listed["billBatchCodeList"])

    def form(number: int) -> tuple[str, dict[str, str]]:
        return "S0000", {"pBillBatchCode": "33060001", "pBillNo": f"{number:010d}"}

    bills = [issued(his, body) for body in bodies("outpatient")[:3]]
    for bill in bills:
        sealed(network, bill)
    assert next_form() == form(101)
    assert his.call("turnPaper", recorded("turnPaper", **key_of(bills[0])))[0] == "S0000"
    assert next_form() == form(102)
    assert his.call("invalidBlankBillNo", recorded("invalidBlankBillNo"))[0] == "S0000"
    assert next_form() == form(105)
    where = ("--home", str(network.home), "--via", "hospital-b")
    native = network.json("paper", "print", "".join(key_of(bills[1]).values()), "--form", "330600010000000105", *where)
    assert native["status"] == "recorded"
    assert next_form() == form(106)
    network.until(lambda: [row["leftNum"] for row in stock()] == [1], "the others are used", 20)
    assert [(row["useNum"], row["invalidNum"], row["leftNum"]) for row in stock()] == [(2, 3, 1)]
    assert his.call("turnPaper", recorded("turnPaper", **key_of(bills[2]), pBillNo="0000000106"))[0] == "S0000"
    assert next_form()[0] == "E4001"
    assert his.call("getValidBillBatchCode", recorded("getValidBillBatchCode"))[0] == "E4001"

    file = network.node_home("hospital-b") / "config" / "paper-forms.json"
    file.write_text(
        json.dumps([*FORMS, {**FORMS[0], "first": "0000000201", "last": "0000000300"}])
    )  # a new box, no restart
    assert next_form() == form(201)
    assert his.call("getPaperBillNo", recorded("getPaperBillNo", placeCode="B99"))[0] == "E4001"
    file.write_text("[1]")
    assert next_form()[0] == "E5001"
    file.write_text(json.dumps(FORMS))


def test_02_the_daily_comparison_agrees_with_the_auditors_view(network: Network, his: His) -> None:
    """Totals from day books that validators prove, then every bill, page by page; both against what the archive shows auditors."""
    ours = [issued(his, body) for body in bodies("outpatient")[:4]]
    for message in ours:
        sealed(network, message)
    said = his.call("writeOffEBill", recorded("writeOffEBill", **key_of(ours[0])))[1]
    where = ("--home", str(network.home), "--via", "hospital-b")
    red = network.json("approvals", "agree", said.partition(": ")[2], "--person", "checker-02", *where)["bill_id"]
    network.json("bill", "void", "".join(key_of(ours[1]).values()), "--reason", "mistyped", *where)
    paper = {**key_of(ours[2]), "pBillNo": "0000000500"}
    assert his.call("turnPaper", recorded("turnPaper", **paper))[0] == "S0000"

    today = datetime.now(timezone(timedelta(hours=8))).date()
    archive = network.api("archive", "auditor")
    day = {"issuer": "hospital-b", "from": today.isoformat(), "to": today.isoformat()}

    def books() -> list[dict[str, Any]]:
        return list(archive.get("/audit/day-totals", params=day).json()["data"])

    def totals(service: str, **changes: Any) -> tuple[int, str]:
        result, message = his.call(service, recorded(service, busDate=today.isoformat(), **changes))
        assert result == "S0000", message
        return message["allTotalNum"], message["allTotalAmt"]

    def added(*names: str, kind: str | None = None) -> int:
        return sum(row[name] for row in books() for name in names if kind in (None, row["kind"]))

    def yuan(fen: int) -> str:
        return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"

    network.until(lambda: added("void_count") and added("red_count"), "the archive has both", 20)
    standing = (
        added("count", "red_count") - added("void_count"),
        added("sum_fen", "red_sum_fen") - added("void_sum_fen"),
    )
    assert totals("checkTotalData") == (standing[0], yuan(standing[1]))
    reds = added("red_count", kind="outpatient"), yuan(added("red_sum_fen", kind="outpatient"))
    assert totals("checkWriteOffData", busType="02") == totals("checkWriteOffData", busType="") == reds
    for counted_elsewhere in ("03", "04", "07"):
        assert totals("checkWriteOffData", busType=counted_elsewhere) == (0, "0.00")

    def pages(size: int = 200, **changes: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        period = {"busBgnDate": f"{today:%Y%m%d}000000000", "busEndDate": f"{today:%Y-%m-%d} 23:59:59"}
        while True:
            asked = recorded("getBillByBusDate", pageNo=len(rows) // size + 1, pageSize=size, **period, **changes)
            result, message = his.call("getBillByBusDate", asked)
            assert result == "S0000", message
            rows += message["billList"]
            if len(rows) >= message["total"]:
                assert len(rows) == message["total"]
                return rows

    network.until(lambda: len(pages(dataType="3")) >= 1, "the copy is recorded", 20)
    rows = pages(3)
    assert rows == pages()
    assert len(rows) == added("count", "red_count")
    fen = sum(int(row["totalAmt"].replace(".", "")) for row in rows if row["state"] != "2")
    assert (len([row for row in rows if row["state"] != "2"]), fen) == standing
    found = {row["billBatchCode"] + row["billNo"]: row for row in rows}
    for message, state, kind in zip(ours, "1211", "1131", strict=True):
        row = found["".join(key_of(message).values())]
        assert (row["random"], row["state"], row["dataType"]) == (message["random"], state, kind)
    original, mirrored = found["".join(key_of(ours[0]).values())], found[red]
    assert original["relateBillBatchCode"] + original["relateBillNo"] == red
    assert mirrored["relateBillBatchCode"] + mirrored["relateBillNo"] == "".join(key_of(ours[0]).values())
    assert (mirrored["state"], mirrored["dataType"], mirrored["busNo"]) == ("3", "2", original["busNo"])
    assert mirrored["totalAmt"] == "-" + original["totalAmt"]
    parts = [pages(dataType=kind) for kind in "12345"]
    assert sorted(row["billNo"] for part in parts for row in part) == sorted(row["billNo"] for row in rows)
    assert not parts[3] + parts[4]

    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("getBillByBusDate", {"busBgnDate": "20261101", "busEndDate": "20261127"}, "parameter_invalid"),
        ("getBillByBusDate", {"busBgnDate": "20261127", "busEndDate": "20261126"}, "parameter_invalid"),
        ("getBillByBusDate", {"pageSize": 501}, "field_refused"),
        ("getBillByBusDate", {"dataType": "6"}, "field_refused"),
        ("checkTotalData", {"busDate": "20261332"}, "time_malformed"),
        ("checkTotalData", {"placeCode": "B02"}, "place_unknown"),
        ("checkWriteOffData", {"busType": "09"}, "field_refused"),
    ]
    for service, change, code in wrong:
        result, text = his.call(service, recorded(service, **change))
        assert (result, text.partition(":")[0]) == ("E2001", code)


def test_02_a_notice_is_a_stamp_and_the_number_goes_nowhere(network: Network, his: His) -> None:
    message = issued(his, bodies("outpatient")[0])
    sealed(network, message)
    bill = "".join(key_of(message).values())
    result, said = his.call("noticeEBill", recorded("noticeEBill", **key_of(message)))
    assert (result, len(said["operations"])) == ("S0000", 2)

    def channels() -> set[str]:
        rows = network.api("archive", "auditor").get(f"/bills/{bill}/history").json()["data"]
        return {row["channel"] for row in rows if row["event"] == "delivered"}

    network.until(lambda: channels() == {"sms", "mail"}, "both are stamped", 20)
    assert his.call("noticeEBill", recorded("noticeEBill", **key_of(message)))[0] == "S0000"
    for wrong in ([], [{"noticeType": "1203", "noticeValue": "1"}], [{"noticeValue": "1"}], 7):
        assert his.call("noticeEBill", recorded("noticeEBill", **key_of(message), noticeList=wrong))[0] == "E2001"
    for canary in (b"13900004711", b"canary4711"):
        assert not [file for file in network.home.rglob("*") if file.is_file() and canary in file.read_bytes()]


def test_02_what_the_ledger_has_nothing_of_is_no_service(his: His) -> None:
    for service in NOT_SERVED:
        assert his.call(service, recorded(service))[0] == "E1004"


def test_02_the_page_names_every_service() -> None:
    """What is served stands in the table with a recorded request, or is an issue or red flush of samples/; the rest below it."""
    page = (ROOT / "api" / "README.md").read_text("utf-8").partition("## The vendor interface")[2].partition("\n## ")[0]
    table = [line for line in page.splitlines() if line.startswith("| `")]
    named = {name for line in table for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert named == set(SERVICES)
    assert set(REQUESTS) == set(NOT_SERVED) | set(SERVICES) - {"invoiceEBillOutpatient", *SERVICE_OF.values()}
    below = page.partition("Not served")[2]
    assert all(f"`{name}`" in below for name in NOT_SERVED)


def test_02_a_bill_in_arrears_is_held(network: Network, his: His) -> None:
    message = issued(his, {**bodies("outpatient")[0], "isArrears": "0", "arrearsReason": "欠费"})
    bill = message["billBatchCode"] + message["billNo"]
    archive = network.api("archive", "auditor")
    network.until(
        lambda: archive.get(f"/bills/{bill}").json().get("life", {}).get("circulation") == "in_arrears", "held", 30
    )


def test_02_it_is_switched_on_for_one_hospital_and_over_tls_only(network: Network, tmp_path: Path) -> None:
    port = network.nodes["hospital-a"]["api_port"]
    answer = httpx2.post(f"http://127.0.0.1:{port}/compat/medical/getEBillByBusNo", json={}, trust_env=False)
    assert answer.status_code == 404
    home = network.node_home("hospital-a")
    file = home / "config" / "medical.json"
    file.write_text(json.dumps({APP: KEY}))
    network.stop("hospital-a")
    try:
        for mode, said in ((0o644, "chmod 600"), (0o600, "api_tls: true")):
            file.chmod(mode)
            done = network.run("node", "start", "--home", str(home))
            assert done.returncode != 0
            assert said in done.stderr
    finally:
        file.unlink()
        network.up("hospital-a")
