"""A moving picture of a panel, from screenshots while something runs in it."""

import io
from pathlib import Path

from lab_page import SCREENSHOTS, PanelOnPage
from PIL import Image

PAUSE = 250  # ms between two screenshots
COLOURS = 64


class Film:
    """Screenshots of a panel down to the bottom of its plots, written as an animated GIF."""

    def __init__(self, panel: PanelOnPage):
        self.panel, self.pictures = panel, []

    def shoot(self, count: int) -> None:
        """So many more screenshots."""
        frame, root = self.panel.frame.bounding_box(), self.panel.root.bounding_box()
        part = {"x": root["x"], "y": root["y"], "width": root["width"], "height": frame["y"] + frame["height"] - root["y"]}
        for _ in range(count):
            self.panel.page.wait_for_timeout(PAUSE)
            self.pictures.append(self.panel.page.screenshot(clip=part, animations="disabled"))

    def write(self, name: str) -> Path:
        """All of them, the last one for two seconds longer."""
        first, *others = (Image.open(io.BytesIO(each)).convert("RGB").quantize(COLOURS) for each in self.pictures)
        path = SCREENSHOTS / f"{name}.gif"
        durations = [PAUSE] * len(others) + [PAUSE + 2000]
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        first.save(path, save_all=True, append_images=others, duration=durations, loop=0, optimize=True)
        return path
