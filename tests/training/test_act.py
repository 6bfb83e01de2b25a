import pytest
import torch

from agent_reasoning.networks.carry import exploration_minimum
from agent_reasoning.networks.config import HRMConfig, TRMConfig
from agent_reasoning.networks.hrm import HRM
from agent_reasoning.networks.trm import TRM
from agent_reasoning.training.act import ActTrainConfig, ActTrainer
from agent_reasoning.training.losses import act_loss, stablemax_cross_entropy
from agent_reasoning.training.optimizers import AdamATan2, SignSGD, learning_rate

SMALL = {"vocab_size": 5, "seq_len": 6, "hidden_size": 8, "num_heads": 2, "H_cycles": 2, "L_cycles": 2, "L_layers": 1}


def trm(**changes):
    model = TRM(TRMConfig(**SMALL | {"halt_max_steps": 4} | changes))
    model.reset_parameters(torch.Generator().manual_seed(0))
    return model


def hrm(**changes):
    model = HRM(HRMConfig(**SMALL | {"halt_max_steps": 4, "H_layers": 1} | changes))
    model.reset_parameters(torch.Generator().manual_seed(0))
    return model


def batch(rows=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randint(1, 5, (rows, 6), generator=generator)
    return {"inputs": inputs, "labels": inputs.clone(), "puzzle_identifiers": torch.zeros(rows, dtype=torch.int64)}


def test_stablemax_is_its_definition():
    logits = torch.tensor([[2.0, 0.0, -3.0]])

    loss = stablemax_cross_entropy(logits, torch.tensor([1]))

    assert loss.item() == pytest.approx(-torch.log(torch.tensor(1.0 / (3.0 + 1.0 + 0.25))).item())


def test_cells_without_a_label_cost_nothing():
    assert stablemax_cross_entropy(torch.randn(1, 2, 5), torch.tensor([[-100, -100]])).tolist() == [[0, 0]]


def test_a_row_without_labels_counts_as_right_but_not_as_seen():
    model = trm(halt_max_steps=1).train()
    data = batch()
    data["labels"][0] = -100

    metrics = act_loss(model, model.initial_carry(3), data).metrics

    assert metrics["count"].item() == 2


def test_a_row_that_has_not_halted_keeps_its_puzzle():
    model = trm().train()
    first, second = batch(seed=0), batch(seed=1)

    carry = act_loss(model, model.initial_carry(3), first).carry  # a fresh model believes nothing, so nothing halts
    after = act_loss(model, carry, second).carry

    assert not carry.halted.any()
    assert torch.equal(after.data["inputs"], first["inputs"])
    assert after.steps.tolist() == [2, 2, 2]


def test_a_halted_row_takes_the_next_puzzle_and_starts_afresh():
    model = trm(halt_max_steps=1).train()
    first, second = batch(seed=0), batch(seed=1)

    after = act_loss(model, act_loss(model, model.initial_carry(3), first).carry, second).carry

    assert torch.equal(after.data["inputs"], second["inputs"])
    assert after.steps.tolist() == [1, 1, 1]


def test_exploration_asks_for_two_steps_at_least_as_often_as_it_is_told_to():
    drawn = exploration_minimum(20_000, 0.25, 6, torch.Generator().manual_seed(0), torch.device("cpu"))

    assert set(drawn.tolist()) == {0, 2, 3, 4, 5, 6}
    assert (drawn > 0).float().mean().item() == pytest.approx(0.25, abs=0.02)


def test_trm_keeps_gradients_of_its_last_cycle_and_hrm_of_its_last_two_updates():
    def applications(model):
        seen = []
        for level in {model.L_level, model.H_level}:
            level.register_forward_hook(lambda module, args, output: seen.append(torch.is_grad_enabled()))
        act_loss(model, model.initial_carry(3), batch())
        return seen

    assert applications(trm().train()) == [False] * 3 + [True] * 3
    assert applications(hrm().train())[:6] == [False] * 4 + [True] * 2


def test_only_hrm_learns_the_value_of_going_on():
    for model, learns in ((trm(), False), (hrm(), True)):
        metrics = act_loss(model.train(), model.initial_carry(3), batch()).metrics
        assert ("q_continue_loss" in metrics) == learns


def test_adam_atan2_does_not_care_about_the_scale_of_gradients():
    def updated(scale):
        weight = torch.nn.Parameter(torch.ones(3))
        optimizer = AdamATan2([weight], lr=0.1, weight_decay=0.0)
        for _ in range(3):
            weight.grad = torch.tensor([1.0, -2.0, 0.5]) * scale
            optimizer.step()
        return weight.detach()

    torch.testing.assert_close(updated(1.0), updated(1e6))
    assert updated(1.0)[0].item() == pytest.approx(1 - 3 * 0.1 * torch.pi / 4, abs=0.03)


def test_sign_sgd_sums_equal_identifiers_and_leaves_absent_ones_alone():
    model = trm(puzzle_emb_ndim=8, puzzle_emb_len=1, num_puzzle_identifiers=4).train()
    model.puzzle_emb.weights.fill_(1.0)
    model.puzzle_emb(torch.tensor([2, 2, 0]))
    model.puzzle_emb.local_weights.grad = torch.tensor([[3.0] * 8, [-1.0] * 8, [-1.0] * 8])

    SignSGD(model.puzzle_emb, lr=0.1, weight_decay=0.5).step()

    assert model.puzzle_emb.weights[:, 0].tolist() == pytest.approx([0.95 + 0.1, 1.0, 0.95 - 0.1, 1.0])


def test_the_learning_rate_warms_up_then_follows_the_cosine():
    assert learning_rate(1, 1.0, 10, 100) == 0.1
    assert learning_rate(50, 1.0, 10, 100) == 1.0
    assert learning_rate(100, 1.0, 10, 100, min_ratio=0.1) == pytest.approx(0.1)


def test_the_average_moves_by_its_rate_after_each_step_and_initial_states_are_copied():
    model = trm()
    start = model.lm_head.weight.detach().clone()
    trainer = ActTrainer(model, ActTrainConfig(2, lr=1e-2, lr_warmup_steps=1, ema_rate=0.75))

    trainer.step(batch())
    first = model.lm_head.weight.detach().clone()
    trainer.step(batch())

    expected = 0.75 * (0.75 * start + 0.25 * first) + 0.25 * model.lm_head.weight
    torch.testing.assert_close(trainer.averaged.lm_head.weight, expected)
    assert not torch.equal(first, start)
    assert torch.equal(trainer.averaged.H_init, model.H_init)


def test_training_goes_on_from_a_saved_state_as_if_nothing_had_happened():
    config = ActTrainConfig(6, lr=1e-3, lr_warmup_steps=2)

    def explorer():
        """Rows halt at once unless they explore, so that the outcome hangs on what is drawn."""
        model = trm(halt_exploration_prob=0.5)
        torch.nn.init.constant_(model.q_head.bias, 5.0)
        return model

    def trained(first, then):
        trainer = ActTrainer(explorer(), config)
        trainer.train(batch(seed=seed) for seed in range(first))
        if then:
            resumed = ActTrainer(explorer(), config)
            resumed.load_state_dict(trainer.state_dict())
            resumed.train(batch(seed=seed) for seed in range(first, first + then))
            trainer = resumed
        return torch.cat([tensor.flatten() for tensor in trainer.averaged.state_dict().values()])

    torch.testing.assert_close(trained(3, 3), trained(6, 0), atol=0, rtol=0)


def test_training_lowers_the_loss_of_both_families():
    for model in (trm(hidden_size=32), hrm(hidden_size=32)):
        losses = []
        trainer = ActTrainer(model, ActTrainConfig(150, lr=3e-3, lr_warmup_steps=10, weight_decay=0.0))
        trainer.train(
            (batch(rows=8) for _ in range(150)),
            lambda step, result, out=losses: out.append(result.metrics["lm_loss"].item()),
        )
        assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
