"""Colours by meaning, the same in every chapter, after the palette of Okabe and Ito, safe for colour-blind people.

All but black and yellow keep a contrast of 3 to 1 or more both on white and on JupyterLab's dark background, for which orange,
sky blue and vermilion are darker than in the original. They can be told apart in deuteranopia and protanopia. Yellow is for
areas only; black is for static figures, whose background is white, and live frames take the colour of their text instead.
"""

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#c98600", "#4a9bd4", "#00a275", "#f0e442", "#0072b2", "#b5430f", "#cc79a7",
)  # fmt: skip
GREY = "#6b6b6b"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, GREY)

RUN = {
    "goal-oriented": BLUE,
    "port-Hamiltonian": ORANGE,
    "SGD": GREY,
    "SGD, matched": VERMILION,
    "step decay": PURPLE,
    "Adam": GREEN,
    "branch": SKY,
}
PUBLISHED = VERMILION
OURS = BLUE


def ink(red: float, green: float, blue: float) -> str:
    """Black or white, whichever is read more easily on a colour (parts 0 to 1, sRGB); the contrast is 4.5 to 1 or more.

    >>> ink(1.0, 0.9, 0.0), ink(0.0, 0.0, 0.6)
    ('#000000', '#ffffff')
    """
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return BLACK if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#ffffff"
