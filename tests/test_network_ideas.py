"""Six ideas of network architectures: what they compute, what they can and cannot learn, and the records."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from toolkit import network_ideas, recordings
from toolkit.network_ideas import convolution, generation, graphs, sequences
from toolkit.panels import NetworkIdeaPanel

IDEAS = list(network_ideas.IDEAS)


def last(name, **settings):
    *_, sketch = network_ideas.learn(name, **settings)
    return sketch


@pytest.mark.parametrize("name", IDEAS)
def test_an_idea_yields_a_sketch_per_epoch_and_repeats_itself(name):
    def run(seed):
        torch.rand(3)  # what others draw has no effect
        return list(network_ideas.learn(name, epochs=2, seed=seed))

    first, again, other = run(0), run(0), run(1)
    assert [sketch.epoch for sketch in first] == [0.0, 1.0, 2.0]
    assert [sketch.metrics for sketch in first] == [sketch.metrics for sketch in again]
    assert first[-1].metrics != other[-1].metrics
    for name in first[-1].picture:
        np.testing.assert_array_equal(first[-1].picture[name], again[-1].picture[name])
    assert sum(array.nbytes for array in first[-1].picture.values()) < 20_000


@pytest.mark.parametrize("name", IDEAS)
def test_an_idea_leaves_the_global_random_state_alone(name):
    before = torch.random.get_rng_state()
    list(network_ideas.learn(name, epochs=1))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", IDEAS)
def test_sketches_can_be_saved_and_loaded(name, tmp_path):
    sketches = list(network_ideas.learn(name, epochs=1))
    recordings.save(tmp_path / "run.npz", sketches, settings={}, title=name)
    again = recordings.load(tmp_path / "run.npz", record=network_ideas.Sketch).records
    assert [sketch.metrics for sketch in again] == [sketch.metrics for sketch in sketches]
    assert set(again[-1].picture) == set(sketches[-1].picture)


@pytest.mark.parametrize("name", IDEAS)
def test_a_panel_draws_every_idea_and_its_script_gives_its_numbers(name):
    panel, printed = NetworkIdeaPanel(idea=name, epochs=1), []
    empty = panel.frame.value
    panel.run()
    assert "Press Run" in empty and panel.frame.value != empty
    exec(panel.code(), {"print": lambda epoch, metrics: printed.append(metrics)})
    assert printed == [sketch.metrics for sketch in panel.records]
    shown = [knob for knob in IDEAS if panel.controls[f"{knob}_knob"].layout.display is None]
    assert shown == [name]


def test_an_idea_sets_the_training_that_suits_it_unless_it_is_given():
    panel = NetworkIdeaPanel(idea="graphs", epochs=2)
    assert (panel.settings["epochs"], panel.settings["learning_rate"]) == (2, network_ideas.IDEAS["graphs"].learning_rate)
    panel.controls["idea"].value = "adversaries"
    assert panel.settings["epochs"] == network_ideas.IDEAS["adversaries"].epochs


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("diffusion", {}, "'diffusion' is not known"),
        ("graphs", {"knob": 7}, "rounds T must be a whole number from 0 to 6, got 7"),
        ("graphs", {"knob": 1.5}, "must be a whole number"),
        ("autoencoder", {"knob": -1}, "β must be a number from 0.01 to 100"),
        ("graphs", {"epochs": -1}, "epochs must be 0 or more"),
        ("graphs", {"learning_rate": 0.0}, "learning_rate positive"),
    ],
)
def test_settings_that_cannot_work_are_refused(name, settings, message):
    with pytest.raises(ValueError, match=message):
        network_ideas.learn(name, **settings)


# Convolution ------------------------------------------------------------------------------------------------------------


def test_one_pixel_sees_no_fibres_and_nine_do():
    assert last("convolution", knob=1).metrics["validation_accuracy"] < 0.65
    assert last("convolution", knob=3).metrics["validation_accuracy"] > 0.95


def test_the_two_kinds_of_fibres_have_the_same_grey_values():
    images, labels = convolution.fibres(2000, seed=0)
    moments = [torch.stack([images[labels == label].mean(), images[labels == label].std()]) for label in (0, 1)]
    torch.testing.assert_close(moments[0], moments[1], atol=0.02, rtol=0)


def test_a_shifted_image_gives_the_same_answer():
    """Shifts by whole pixels in a frame of zeros: the mean over the map is the same."""
    model = convolution.TextureNetwork(3)
    image = torch.zeros(1, 1, 30, 30)
    image[..., 5:15, 5:15] = torch.randn(10, 10, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(image), model(image.roll((7, 9), (2, 3))))


# Recurrence and attention -----------------------------------------------------------------------------------------------


def test_attention_is_the_printed_formula_and_torchs():
    model = sequences.Attention(features=3, width=5)
    inputs = torch.randn(4, 7, 3, generator=torch.Generator().manual_seed(0))
    query, key, value = model.query(inputs), model.key(inputs), model.value(inputs)
    printed = torch.stack([v.T @ torch.softmax(k @ q.T / math.sqrt(5), 0) for q, k, v in zip(query, key, value, strict=True)])
    theirs = functional.scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(printed.transpose(1, 2), theirs)
    torch.testing.assert_close(model(inputs), model.readout(theirs[:, -1]))
    torch.testing.assert_close(model.weights(inputs).sum(1), torch.ones(4))


def test_attention_finds_the_marked_number_however_far_away():
    sketch = last("attention", knob=30)
    assert sketch.metrics["validation_accuracy"] > 0.9
    rows = np.arange(len(sketch.picture["marked"]))
    assert (sketch.picture["weights"].argmax(1) == sketch.picture["marked"]).mean() > 0.5
    assert sketch.picture["weights"][rows, sketch.picture["marked"]].mean() > 5 / 30


@pytest.mark.parametrize("cell", sequences.CELLS)
def test_a_memory_is_torchs_recurrence_step_by_step(cell):
    model = sequences.Memory(cell)
    steps = {"plain": torch.nn.RNNCell, "gated": torch.nn.GRUCell}[cell](1, sequences.HIDDEN)
    steps.load_state_dict({name.removesuffix("_l0"): value for name, value in model.recurrence.state_dict().items()})
    inputs, state = torch.randn(3, 6, 1, generator=torch.Generator().manual_seed(0)), torch.zeros(3, sequences.HIDDEN)
    for number in inputs.unbind(1):
        state = steps(number, state)
    torch.testing.assert_close(model(inputs), model.readout(state))


def test_both_memories_learn_to_carry_a_number_over_six_steps():
    metrics = last("recurrence", knob=6).metrics
    for cell in sequences.CELLS:
        assert metrics[f"{cell}_validation_accuracy"] > 0.95


def test_before_training_a_plain_memory_hardly_depends_on_what_lies_far_back():
    influence = next(network_ideas.learn("recurrence", knob=40)).picture["plain"]
    assert influence[0] < 1e-3 * influence[-1]


# Graphs -----------------------------------------------------------------------------------------------------------------


def test_a_node_knows_what_lies_as_many_steps_away_as_there_were_rounds():
    adjacency = torch.tensor(graphs.adjacency())
    steps = graphs.shortest_path(graphs.adjacency(), unweighted=True)
    for rounds in range(4):
        model = graphs.MessageNetwork(adjacency, rounds).double()
        model.adjacency = adjacency.double()
        sources = torch.zeros(1, graphs.NODES, dtype=torch.float64)
        moved = sources.clone()
        moved[0, 7] = 1.0
        reached = (model(sources) - model(moved)).abs().sum(1)[0] > 0
        assert not reached.numpy()[steps[7] > rounds].any()


def test_three_rounds_solve_the_task_of_three_steps_and_two_do_not():
    assert last("graphs", knob=3).metrics["validation_accuracy"] > 0.97
    assert last("graphs", knob=2).metrics["validation_accuracy"] < 0.9


def test_the_graph_is_joined_and_renaming_nodes_renames_answers():
    matrix = torch.tensor(graphs.adjacency())
    assert np.isfinite(graphs.shortest_path(matrix.numpy(), unweighted=True)).all()
    order = torch.randperm(graphs.NODES, generator=torch.Generator().manual_seed(0))
    model = graphs.MessageNetwork(matrix, 2)
    renamed = graphs.MessageNetwork(matrix[order][:, order], 2)
    renamed.load_state_dict(model.state_dict())
    sources = graphs.near_a_source(3, seed=0)[0]
    torch.testing.assert_close(renamed(sources[:, order]), model(sources)[:, :, order], atol=1e-5, rtol=1e-4)


# Generation -------------------------------------------------------------------------------------------------------------


def test_the_divergence_is_that_of_torch_distributions():
    draw = torch.Generator().manual_seed(0)
    mean, log_variance = torch.randn(5, 2, generator=draw), torch.randn(5, 2, generator=draw)
    logits, images = torch.randn(5, 64, generator=draw), torch.rand(5, 64, generator=draw)
    outputs = torch.cat([logits, mean, log_variance], 1)
    ours = generation.negative_elbo(outputs, images, beta=2.0) - generation.negative_elbo(outputs, images, beta=1.0)
    posterior = torch.distributions.Normal(mean, (log_variance / 2).exp())
    theirs = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(ours, theirs)
    plain = functional.binary_cross_entropy(logits.sigmoid(), images, reduction="sum") / 5
    torch.testing.assert_close(generation.negative_elbo(outputs, images, beta=0.0), plain)


def test_a_heavy_divergence_lets_the_latent_numbers_collapse():
    spread = {beta: np.std(last("autoencoder", knob=beta, epochs=8).picture["codes"]) for beta in (0.01, 100.0)}
    assert spread[100.0] < 0.1 < 1.0 < spread[0.01]


def test_the_generator_finds_most_clouds_and_the_value_comes_near_its_equilibrium():
    sketch = last("adversaries")
    assert sketch.metrics["clouds_found"] >= 6
    assert sketch.metrics["value"] == pytest.approx(-math.log(4), abs=0.35)


def test_the_value_is_minus_log_four_for_a_discriminator_without_opinion():
    silent = torch.nn.Linear(2, 1)
    torch.nn.init.zeros_(silent.weight)
    torch.nn.init.zeros_(silent.bias)
    value = generation._value(torch.nn.Identity(), silent, torch.Generator().manual_seed(0))
    assert value.item() == pytest.approx(-math.log(4))
