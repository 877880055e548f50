"""A real browser for the pages: the system's Chromium, driven by playwright, which belongs to the development packages."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PHONE = {"width": 360, "height": 740}
SECONDS = 30


class NoBrowser(Exception):
    """Why there is none here, and what would bring one. `is_broken`: there is one, and it does not start."""

    def __init__(self, reason: str, is_broken: bool = False) -> None:
        super().__init__(reason)
        self.is_broken = is_broken


@contextmanager
def chromium() -> Iterator[Any]:
    """A running browser. Raises NoBrowser."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise NoBrowser("no Chromium on this machine: apt-get install chromium")
    try:
        playwright = importlib.import_module("playwright.sync_api")
    except ImportError:
        raise NoBrowser("playwright is not installed: make setup") from None
    with playwright.sync_playwright() as driver:
        # as root in a container Chromium's own sandbox cannot work; the pages are ours
        try:
            browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        except playwright.Error as error:
            raise NoBrowser(f"{program} does not start: {str(error).splitlines()[0]}", is_broken=True) from None
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Phone:
    """One page in a browser of its own, as large as a small phone."""

    page: Any
    faults: list[str]  # what the browser complained about: scripts, policies

    def open(self, address: str) -> Phone:
        self.page.goto(address)
        return self.settled()

    def settled(self) -> Phone:
        """Once there is a verdict."""
        self.page.wait_for_selector("#verdict:not([data-state=checking])", timeout=1000 * SECONDS)
        return self

    @property
    def state(self) -> str:
        return str(self.page.get_attribute("#verdict", "data-state"))

    @property
    def colour(self) -> str:
        return str(self.page.get_attribute("#verdict", "class"))

    @property
    def failed(self) -> list[str]:
        """Names of the checks that are marked as failed; the last one made, or none."""
        return [str(entry.get_attribute("data-check")) for entry in self.page.query_selector_all("li.bad")]

    @property
    def checks(self) -> list[str]:
        return [str(entry.get_attribute("data-check")) for entry in self.page.query_selector_all("li[data-check]")]

    def text(self, where: str = "body") -> str:
        return str(self.page.inner_text(where))


@contextmanager
def phone(browser: Any, locale: str = "zh-CN", script: str = "", **how: Any) -> Iterator[Phone]:
    """`script` runs before anything of the page does; `how` goes to the browser's context."""
    context = browser.new_context(viewport=PHONE, locale=locale, **how)
    try:
        if script:
            context.add_init_script(script)
        page = context.new_page()
        held = Phone(page, [])
        page.on("pageerror", lambda error: held.faults.append(str(error)))
        page.on("console", lambda said: held.faults.append(said.text) if said.type == "error" else None)
        yield held
    finally:
        context.close()
