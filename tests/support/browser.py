"""A real browser, headless, that visits pages of the service and notes what goes wrong in them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from app.web.libraries import LIBRARIES_OF_TESTS

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_AXE = LIBRARIES_OF_TESTS / "axe.js"
_SERIOUS = ("serious", "critical")


def missing() -> str | None:
    """What tests in a browser lack here; None where nothing is."""
    if not any(map(shutil.which, _NAMES)):
        return f"no browser is installed: {', '.join(_NAMES)}"
    return None if _AXE.is_file() else "the libraries of the pages are not installed: make libraries"


@contextmanager
def browser() -> Iterator[Browser]:
    """The installed browser; nothing is downloaded."""
    path = next(filter(None, map(shutil.which, _NAMES)))
    # As root, in a container, it has no sandbox to start.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=arguments)
        yield started
        started.close()


class Visit:
    """A window of the browser; `wrong` is what it reports: errors, what a policy forbids, requests to elsewhere."""

    def __init__(self, started: Browser, address: str) -> None:
        self._address = address
        self.wrong: list[str] = []
        self._context = started.new_context(
            color_scheme="light",
            viewport={"width": 1280, "height": 900},
            timezone_id="Europe/Berlin",
            locale="en-GB",
            reduced_motion="reduce",
        )
        self.page = self._watched()

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    def open(self, path: str) -> Page:
        """Go to a page, and wait until it shows all it has asked for."""
        self.page.goto(self._address + path)
        return self.settled()

    def tab(self, path: str) -> Page:
        """Go to a page in a tab beside, and do not wait for what it asks."""
        page = self._watched()
        page.goto(self._address + path)
        return page

    def settled(self) -> Page:
        """Wait until no part of the page waits for an answer."""
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0, timeout=20_000)
        return self.page

    def axe(self) -> list[str]:
        """What axe finds that is serious."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(_AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run({resultTypes: ['violations']})")
        return [
            f"{violation['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
            for violation in found["violations"]
            if violation["impact"] in _SERIOUS
            for node in violation["nodes"]
        ]

    def _watched(self) -> Page:
        page = self._context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", lambda message: self._note(message.type, message.text, message.location))
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("request", self._check)
        return page

    def _note(self, kind: str, text: str, location: Any) -> None:
        # Answers that are problems are noted by the browser too; the page shows them.
        if kind in ("error", "warning") and not text.startswith("Failed to load resource"):
            self.wrong.append(f"{kind}: {text} {location}")

    def _check(self, request: Request) -> None:
        if urlsplit(request.url).netloc != urlsplit(self._address).netloc and not request.url.startswith(
            ("data:", "blob:")
        ):
            self.wrong.append(f"asked for {request.url}")
