"""Colours by meaning, the same in every chapter, from the palette of Okabe and Ito, safe for colour-blind people.

Orange and sky blue keep 2.2 to 1 of contrast on white, the others 3 to 1 or more; yellow is for areas only. The grey is dark
enough to differ from the green where red and green look alike.
"""

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE = (
    "#000000", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7",
)  # fmt: skip
GREY = "#6e6e6e"
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
