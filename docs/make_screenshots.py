"""Makes the pictures of docs: `pip install jupyterlab jinja2 playwright`, a Chromium, then `python docs/make_screenshots.py`.

A notebook is run in JupyterLab, and reports are opened, in a browser without a window, on a sandbox. CHROMIUM names the
browser's program if it is not /usr/bin/chromium. Install a font for Chinese and Korean titles, such as the package
fonts-wqy-microhei. Each picture is made in light and in dark colours. With `reports` as the argument, only those of the
reports are made, without JupyterLab.
"""  # noqa: INP001, E501 - run by its path; the commands are the first sentence

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from canvas_studio.sandbox import Sandbox
from canvas_studio.workflows import Snapshot
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, FloatRect, Locator, Page

IMAGES = Path(__file__).parent / "images"
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
CELLS = {
    "start": "from canvas_studio import StudioClient\n\nstudio = StudioClient.from_env()",
    "listing": 'studio.search_media(source="upload").with_options(thumbnails=True)',
    "media": 'studio.search_media(title="Gauß", source="upload").first()',
}
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def notebook() -> str:
    """Return a notebook with the cells, which have not been run."""
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps(
        {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {"kernelspec": kernel},
            "cells": [{**cell, "id": name, "source": source} for name, source in CELLS.items()],
        }
    )


@contextmanager
def jupyter(folder: Path, theme: str, box: Sandbox) -> Iterator[str]:
    """Run JupyterLab in a folder, for as long as the context lasts; it knows the sandbox as its school."""
    settings = folder / f"settings-{theme}/@jupyterlab/apputils-extension/themes.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"theme": THEMES[theme]}))
    own = {"JUPYTERLAB_SETTINGS_DIR": str(settings.parents[2]), "IPYTHONDIR": str(folder / "ipython")}
    school = {"CANVAS_STUDIO_URL": box.url, "CANVAS_STUDIO_TOKEN": box.token}
    log = folder / f"jupyter-{theme}.log"
    program = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0", "--ip=127.0.0.1"]
    surroundings = {**os.environ, **own, **school}
    with log.open("w") as file:
        server = subprocess.Popen(program, cwd=folder, env=surroundings, stderr=file)  # noqa: S603 - it is our own
    try:
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)/lab\?token=(\w+)", log.read_text())):
            if server.poll() is not None:
                raise RuntimeError(f"JupyterLab did not start: {log.read_text()}")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{found[1]}/lab/tree/shown.ipynb?token={found[2]}&reset"
    finally:
        server.terminate()
        server.wait()


def take(page: Page, address: str, theme: str) -> None:
    """Run the notebook, and take a picture of each cell that shows something."""
    page.goto(address)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
    for status in ("connecting", "idle"):
        page.wait_for_selector(f'.jp-Notebook-ExecutionIndicator[data-status="{status}"]', timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    for number, name in enumerate(CELLS):
        if name == "start":
            continue
        cell = cells.nth(number)
        cell.locator(".jp-OutputArea-output table").wait_for(timeout=60_000)
        cell.scroll_into_view_if_needed()
        page.mouse.move(0, 0)
        page.wait_for_function("[...document.images].every((image) => image.complete)")
        whole = box_of(cell)
        table = box_of(cell.locator(".jp-OutputArea-output table"))
        width = max(table["x"] + table["width"], whole["x"] + 620) + 12 - whole["x"]
        height = table["y"] + table["height"] + 12 - whole["y"]
        picture = IMAGES / f"notebook-{name}-{theme}.png"
        page.screenshot(path=picture, clip={"x": whole["x"], "y": whole["y"], "width": width, "height": height})


def reports(folder: Path) -> dict[str, Path]:
    """Write each report of the docs, by the name of its picture."""
    with Sandbox(media=12_345, seed=1) as box:
        # The address of a sandbox is another one each time.
        library = Snapshot.take(box.client(), folder / "library.db")
        triage = library.captions(box.client(), watched_since="2026-01-01")
    return {
        "inventory": library.report(folder / "inventory.html"),
        "captions": triage.report(folder / "captions.html"),
    }


def take_reports(browser: Browser) -> None:
    """Take a picture of the beginning of each report."""
    with tempfile.TemporaryDirectory() as name:
        for report, path in reports(Path(name)).items():
            sandbox = r"((?:Inventory|Caption triage) of |https?://)127\.0\.0\.1(:\d+)?"
            text = re.sub(sandbox, r"\1myschool.instructuremedia.com", path.read_text())
            path.write_text(text.replace("http://myschool", "https://myschool"))
            for theme in THEMES:
                page = browser.new_page(
                    viewport={"width": 1200, "height": 880}, color_scheme="dark" if theme == "dark" else "light"
                )
                page.goto(path.as_uri())
                page.screenshot(path=IMAGES / f"{report}-{theme}.png")
                page.close()


def box_of(locator: Locator) -> FloatRect:
    """Return where something is on the page."""
    box = locator.bounding_box()
    if box is None:
        raise RuntimeError("it is not to be seen")
    return box


def main() -> None:
    """Make all pictures."""
    IMAGES.mkdir(exist_ok=True)
    browser_program = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_program, args=FLAGS)
        take_reports(browser)
        if sys.argv[1:] != ["reports"]:
            take_notebook(browser)
        browser.close()


def take_notebook(browser: Browser) -> None:
    """Take the pictures of the notebook."""
    with tempfile.TemporaryDirectory() as name, Sandbox(media=12_345, seed=1) as box:
        folder = Path(name)
        (folder / "shown.ipynb").write_text(notebook())
        for theme in THEMES:
            with jupyter(folder, theme, box) as address:
                page = browser.new_page(viewport={"width": 1500, "height": 1000})
                take(page, address, theme)
                page.close()


if __name__ == "__main__":
    main()
