"""The other sides as one process: `python -m node.channels.simulators --directory DIR`. Prints one line of JSON, serves until told to end.

{"addresses": {name: address}, "keys": directory, "configuration": file, "insured": [number]}
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from pathlib import Path

from node.channels.simulators.insurance import Insured
from node.channels.simulators.other_sides import OtherSides

INSURED = ("330100000000001", "330100000000002")  # invented


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m node.channels.simulators", description="the channels' other sides, simulated"
    )
    parser.add_argument("--directory", type=Path, required=True, help="for new keys and channels.yaml")
    parser.add_argument(
        "--port", type=int, default=0, help="of the first; the others follow. Any free ones if left out"
    )
    parser.add_argument("--notify", default="http://127.0.0.1:8080/channels", help="where notices go, before /NAME")
    parser.add_argument("--schedule", default="0,1,2,4,8,16,32", help="seconds before each attempt of a notice")
    asyncio.run(_serve(parser.parse_args()))


async def _serve(arguments: argparse.Namespace) -> None:
    schedule_s = [float(part) for part in arguments.schedule.split(",")]
    sides = OtherSides(arguments.directory / "keys", arguments.notify, schedule_s)
    sides.insurance.insured |= {number: Insured() for number in INSURED}
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await sides.start(arguments.port)
    try:
        configuration = arguments.directory / "channels.yaml"
        configuration.write_text(sides.write_configuration(), encoding="utf-8")
        told = {
            "addresses": {simulator.name: simulator.address for simulator in sides.all},
            "keys": str(sides.keys),
            "configuration": str(configuration),
            "insured": list(INSURED),
        }
        print(json.dumps(told), flush=True)
        await ended.wait()
    finally:
        await sides.stop()


if __name__ == "__main__":
    main()
