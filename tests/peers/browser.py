"""Chromium, driven as a person uses it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pryv_sandbox import Account

if TYPE_CHECKING:  # selenium takes half a second to import
    from selenium.webdriver import Chrome

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


class Page:
    """The page that the browser shows."""

    def __init__(self, driver: Chrome) -> None:
        self._driver = driver

    def open(self, url: str) -> None:
        self._driver.get(url)

    def wait_for(self, text: str) -> None:
        """Wait until the text can be seen."""
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self._driver, 10).until(lambda _: text in self.text, f"never saw {text!r}")

    @property
    def text(self) -> str:
        return str(self._driver.execute_script("return document.body.innerText"))

    @property
    def url(self) -> str:
        return str(self._driver.current_url)

    def fill(self, form: str, **values: str) -> None:
        """Fill a form in and send it."""
        for name, value in values.items():
            field = self._driver.find_element("css selector", f"#{form} [name={name}]")
            field.clear()
            field.send_keys(value)
        self._driver.find_element("css selector", f"#{form} button.main").click()

    def sign_in(self, account: Account) -> None:
        """Sign in on the sandbox's consent page."""
        self.fill("sign-in", username=account.username, password=account.password)

    def click(self, text: str) -> None:
        """Press the visible button with this text."""
        buttons = self._driver.find_elements("tag name", "button")
        next(button for button in buttons if button.is_displayed() and button.text == text).click()

    def toggle(self, element_id: str) -> None:
        """Press a check box, which may be disabled."""
        self._driver.find_element("id", element_id).click()

    def press(self, *keys: str) -> None:
        """Type into the element with the focus."""
        for key in keys:
            self._driver.switch_to.active_element.send_keys(key)

    @property
    def focused(self) -> str:
        return str(self._driver.switch_to.active_element.text)


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser without a window."""
    from selenium import webdriver

    browser, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not browser or not chromedriver:
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    yield driver
    driver.quit()


@pytest.fixture
def page(driver: Chrome) -> Page:
    """What a person sees in the browser."""
    return Page(driver)
