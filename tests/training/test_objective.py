import torch

from agent_reasoning.networks.structured import StructuredOutput
from agent_reasoning.training.objective import step_loss
from agent_reasoning.training.stream import IGNORED


def output(answers, width=3, sure=20.0, belief=0.0):
    logits = torch.zeros(len(answers), len(answers[0]), width)
    for row, cells in enumerate(answers):
        for cell, choice in enumerate(cells):
            logits[row, cell, choice] = sure
    return StructuredOutput(logits, torch.full((len(answers),), belief))


def test_a_row_is_exact_when_every_cell_that_counts_is_right():
    labels = torch.tensor([[[0, 1]], [[0, IGNORED]], [[0, 1]]])

    exact = step_loss(output([[0, 1], [0, 2], [0, 2]]), labels).exact

    assert exact.tolist() == [True, True, False]


def test_belief_is_punished_where_the_answer_is_wrong():
    labels = torch.tensor([[[0, 1]]])

    def loss(answer, belief):
        return step_loss(output([answer], belief=belief), labels).total.item()

    assert loss([0, 1], 5.0) < loss([0, 1], -5.0)
    assert loss([0, 2], 5.0) > loss([0, 2], -5.0)


def test_small_rows_count_as_much_as_large_ones():
    labels = torch.tensor([[[0, 1, 2, 0]], [[0, IGNORED, IGNORED, IGNORED]]])

    half_wrong = step_loss(output([[0, 1, 2, 0], [1, 0, 0, 0]]), labels).total.item()

    belief = 0.5 * torch.log(torch.tensor(2.0)).item()
    assert abs(half_wrong - (20.0 / 2 + belief)) < 0.01


def test_of_answers_that_are_equally_good_the_nearest_counts():
    labels = torch.tensor([[[0, 1], [1, 0]]])

    for answer in ([0, 1], [1, 0]):
        found = step_loss(output([answer], belief=20.0), labels)
        assert found.exact.tolist() == [True]
        assert found.total.item() < 1e-3
    assert not step_loss(output([[0, 0]]), labels).exact.any()
