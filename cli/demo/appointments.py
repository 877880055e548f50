"""The scene of a race: two patients ask two gateways of one hospital for the last number of a session, at the same moment."""

from __future__ import annotations

import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cli.demo.stage import SceneFailed, Stage, expect

GATEWAYS = ("hospital-a", "hospital-a-2")
PEOPLE = (
    {"type": "person", "name": "周予安", "id_type": "01", "id_number": "331002199106020048"},
    {"type": "person", "name": "林小满", "id_type": "01", "id_number": "331002199203040021"},
)
ROUNDS = 3


def last_number(stage: Stage) -> str:
    home = ("--home", str(stage.home))
    winners = []
    for number in range(ROUNDS):
        session = stage.file(f"session-{number}", _session(number))
        schedule = stage.medbill("schedule", "publish", session, *home, "--via", GATEWAYS[0])["name"]
        asks = [
            (*_wish(stage, number, place, schedule), *home, "--via", gateway) for place, gateway in enumerate(GATEWAYS)
        ]
        for ask in asks:
            stage.say(f"$ {shlex.join(['medbill', 'appointment', 'book', *ask])} &")
        with ThreadPoolExecutor(len(asks)) as people:
            answers = list(people.map(lambda ask: stage.run("appointment", "book", *ask), asks))
        got = [place for place, (code, _answer) in enumerate(answers) if code == 0]
        lost = [answer["code"] for code, answer in answers if code == 6]
        if len(got) != 1 or lost != ["slot_taken"]:
            raise SceneFailed(f"two asked for one number, and were told {answers}")
        page = stage.medbill("schedule", "show", schedule, *home, "--via", GATEWAYS[0], show=False)
        expect(page["free"], {"window": []})
        winners.append(GATEWAYS[got[0]])
    return f"{ROUNDS} times: one has it (through {', '.join(winners)}), the other is told slot_taken; nothing is left to sell"


def _session(number: int) -> dict[str, Any]:
    """Three hours of tomorrow with one number."""
    starts_s = time.time() + 86_400

    def moment(hours: int) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S+08:00", time.gmtime(starts_s + (8 + hours) * 3_600))

    return {
        "schedule_no": f"demo-{number}",
        "department": "dep-05",
        "staff": "医生07",
        "session": "am",
        "starts": moment(0),
        "ends": moment(3),
        "pools": [{"channel": "window", "count": 1}],
    }


def _wish(stage: Stage, number: int, place: int, schedule: str) -> tuple[str, ...]:
    payer = stage.file(f"payer-{place}", PEOPLE[place])
    asked = ("--number", f"demo-{number}-{place}", "--schedule", schedule, "--channel", "window")
    return (*asked, "--payer", payer)
