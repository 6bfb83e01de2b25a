"""The playground in a real browser (Debian's Chromium, without a window), served by a real server."""

import shutil
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect, sync_playwright

PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
PATIENCE_MS = 120_000  # a shared machine is slow at times

expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker(pytest.mark.external)


@pytest.fixture(scope="session")
def chromium():
    program = shutil.which("chromium")
    assert program, "Chromium is not installed: `make programs` installs it"
    with sync_playwright() as playwright:
        # Without the sandbox, as containers and root need it: only our own page is opened.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium, live):
    """Opens the playground: `with open_page(fragment, url=…, **options of a context) as page`. At its end the page must
    have had no error and no breach of its policy."""

    @contextmanager
    def opened(fragment="", url=live, **options):
        faults = []
        settings = {
            **DESKTOP,
            "reduced_motion": "reduce",
            "permissions": ["clipboard-read", "clipboard-write"],
        } | options
        context = chromium.new_context(**settings)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if is_fault(message) else None)
        try:
            page.goto(f"{url}/{fragment}")
            expect(page.get_by_role("heading", name="Problem", exact=True)).to_be_visible()
            yield page
            assert faults == []
        finally:
            context.close()

    return opened


def is_fault(message):
    """Chromium writes a line for each response that is an error, which is the service's right."""
    return message.type in ("error", "warning") and not message.text.startswith("Failed to load resource")


@pytest.fixture
def page(open_page):
    with open_page() as page:
        yield page
