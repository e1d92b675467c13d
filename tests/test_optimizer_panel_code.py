"""Copy as code of the race: the script gives the numbers of the panel."""

import random
import re

import pytest
from small_panels import few_digits, timeless

from toolkit.panels import OptimizerPanel, images
from toolkit.panels import optimizer as module
from toolkit.panels.optimizer import RUNS


def random_settings(number):
    rng = random.Random(number)
    return {
        "scale": rng.choice(("classroom", "laptop")),
        "network": rng.choice(module.NETWORKS),
        "seed": rng.randrange(100),
        "runs": tuple(rng.sample(RUNS, rng.randint(1, 4))),
        "learning_rate": 10 ** rng.uniform(-3, 0),
        "mass": 10 ** rng.uniform(-2, 2),
        "friction": 10 ** rng.uniform(-3, 2),
        "friction_scheme": rng.choice(module.optim.FRICTION_SCHEMES),
        "goal_kind": rng.choice(module.optim.GOAL_KINDS),
        "goal": rng.choice((0.3, 0.9, 2.3)),
        "patience": rng.randint(1, 2),
        "factor": 10 ** rng.uniform(0, 2),
        "deadline": rng.randint(0, 2),
        "reaccelerate_after": rng.randint(0, 2),
        "batch_size": rng.choice((16, 64, 256)),
        "epochs": rng.randint(1, 3),
    }


@pytest.mark.parametrize("number", range(12))
def test_the_script_gives_the_records_of_the_panel(number, monkeypatch):
    monkeypatch.setattr(images, "SCALES", {"classroom": 100, "laptop": 250, "published": None})
    panel, printed = OptimizerPanel(**random_settings(number)), []
    try:
        panel.run()
    except ValueError as refused:
        with pytest.raises(ValueError, match=re.escape(str(refused))):
            exec(panel.code(), {"print": printed.append})
        return
    exec(panel.code(), {"print": printed.append})
    assert timeless(printed) == timeless(panel.records)


def test_some_of_these_settings_run_and_brake():
    ran = []
    for number in range(12):
        panel = OptimizerPanel(data=few_digits(), **random_settings(number))
        try:
            ran.append(bool(panel.run().curves.brakes))
        except ValueError:
            continue
    assert len(ran) >= 6
    assert any(ran)


def test_the_script_of_the_documents_sets_is_that_of_the_digits(data_folder):
    panel = OptimizerPanel(dataset="fashion_mnist", runs=("goal-oriented",), epochs=1)
    assert "data = datasets.load('fashion_mnist')" in panel.code()
    assert "data = data.subset(1500, proportional=True)" in panel.code()
    printed = []
    exec(panel.code(), {"print": printed.append})
    assert timeless(printed) == timeless(panel.run().records)
    assert len(panel.data.train[0]) == 1500
