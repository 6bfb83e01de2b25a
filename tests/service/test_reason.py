"""The use case with a task that is not built in: what a second task needs, and who found the answer."""

import asyncio
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from pydantic import BaseModel

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.structured import StructuredModel
from agent_reasoning.errors import ModelMissing, NotReady, NotVerified, UnknownTask, UnmappableContext
from agent_reasoning.networks.bundle import Bundle, BundleConfig
from agent_reasoning.networks.structured import StructuredConfig, StructuredNetwork
from agent_reasoning.problem import Problem, ProblemSpec, Verdict
from agent_reasoning.schemas import ReasonRequest
from agent_reasoning.service.reason import ReasoningService
from agent_reasoning.tasks import Registry, Task, TaskInfo


class Ask(BaseModel):
    cheapest_of: list[int]


@dataclass
class Cheapest(Task[tuple[int, ...]]):
    """Pick the smallest number: one cell, a candidate for each. `heuristic` is what its baseline picks."""

    heuristic: int | None = None
    bounded: bool = True
    forbidden: tuple[int, ...] = ()
    info = TaskInfo(
        name="cheapest",
        task_type="optimization",
        summary="Picks the smallest number.",
        example_question="Which is the smallest?",
        example_context={"cheapest_of": [3, 1, 2]},
        spec=ProblemSpec(vocabulary=("pick",), candidate_features=("price",)),
        sizes=(3,),
        size_unit="numbers",
        training_sizes=(3, 5),
    )
    Context = Ask

    def matches(self, context):
        return "cheapest_of" in context

    def read(self, context, question=""):
        return tuple(context["cheapest_of"])

    def encode(self, instance):
        prices = np.array(instance, np.float32).reshape(1, -1, 1)
        return Problem(np.ones((1, len(instance)), bool), np.zeros(1, np.int64), candidate_features=prices)

    def decode(self, instance, choice):
        return {"pick": int(choice[0])}

    def verify(self, instance, solution):
        if solution["pick"] in self.forbidden:
            return Verdict(False, (f"{solution['pick']} is forbidden.",))
        return Verdict(
            True, objective=float(instance[solution["pick"]]), bound=float(min(instance)) if self.bounded else None
        )

    def describe(self, instance, solution):
        return f"Number {solution['pick']}."

    def brief(self, instance, solution):
        return str(solution["pick"])

    def baseline(self, instance):
        return None if self.heuristic is None else {"pick": self.heuristic}


def preferring(sign):
    """A model that looks at the price alone: -1 picks the smallest, +1 the largest. It believes nothing."""
    config = StructuredConfig(Cheapest.info.spec, hidden=4)
    network = showing_its_feature(StructuredNetwork(config))
    model = StructuredModel.of(
        Bundle(BundleConfig("toy", "cheapest", config, 4), network), Confidence(), "cpu", "0" * 64
    )
    return replace(model, runner=picking(lambda prices: sign * prices))


def showing_its_feature(network):
    """Embeds a pair as its one feature, so that `picking` can see it."""
    network.embed = lambda batch: batch.candidate_features.expand(*batch.present.shape, network.config.hidden)
    return network


def picking(score):
    """In place of a network's step: the candidate whose one feature scores best."""

    def step(inputs, carry, into):
        embedded, _, allowed = inputs[:3]
        scores = score(embedded[..., 0]).masked_fill(~allowed, -torch.inf)
        return scores.argmax(-1), torch.full((len(scores),), -5.0)

    return step


@pytest.fixture
def ask():
    started = []

    def run(task, model=None, /, **fields):
        service = ReasoningService(Registry([task]), [model] if model else [])
        service.start()
        started.append(service)
        request = ReasonRequest(**{"question": "?", "context": {"cheapest_of": [3, 1, 2]}, **fields})
        return asyncio.run(service.reason(request, "id-1"))

    yield run
    for service in started:
        service.stop()


def test_a_new_task_needs_its_module_its_registry_line_and_a_model(ask):
    response = ask(Cheapest(), preferring(-1))

    assert response.solution == {"pick": 1}
    assert (response.verified, response.optimal, response.objective, response.bound) == (True, True, 1.0, 1.0)
    assert (response.source, response.task_type, response.model) == ("model", "optimization", "toy")
    assert (response.confidence, response.request_id) == (1.0, "id-1")


def test_the_baseline_stands_in_only_when_it_is_better_and_is_named(ask):
    response = ask(Cheapest(heuristic=2), preferring(+1))

    assert (response.source, response.solution, response.objective) == ("baseline", {"pick": 2}, 2.0)
    assert not response.optimal
    assert response.confidence < 1


def test_ties_go_to_the_model(ask):
    assert ask(Cheapest(heuristic=0), preferring(+1)).source == "model"


def test_a_worse_baseline_is_not_used(ask):
    response = ask(Cheapest(heuristic=0, bounded=False), preferring(-1))

    assert (response.source, response.solution) == ("model", {"pick": 1})


def test_source_policy_model_switches_the_baseline_off(ask):
    response = ask(Cheapest(heuristic=1), preferring(+1), source_policy="model")

    assert (response.source, response.solution) == ("model", {"pick": 0})


def test_a_valid_baseline_replaces_an_invalid_answer(ask):
    response = ask(Cheapest(heuristic=2, forbidden=(0,)), preferring(+1))

    assert (response.source, response.verified) == ("baseline", True)


def test_an_unverified_answer_is_never_called_verified(ask):
    response = ask(Cheapest(heuristic=0, forbidden=(0,)), preferring(+1))

    assert (response.verified, response.confidence, response.halted_by) == (False, 0.0, "max_steps")
    assert response.violations == ["0 is forbidden."]
    assert response.answer.startswith("Not verified:")
    assert not any(step.verified for step in response.reasoning_trace)


def test_require_verified_turns_an_unverified_answer_into_an_error(ask):
    with pytest.raises(NotVerified) as refused:
        ask(Cheapest(forbidden=(0,)), preferring(+1), require_verified=True)

    assert refused.value.fields["violations"] == ["0 is forbidden."]


@pytest.mark.parametrize(("asked", "tried"), [(None, 3), (2, 2)])
def test_a_request_that_does_not_say_gets_as_many_samples_as_its_model_is_set_to(ask, asked, tried):
    with pytest.raises(NotVerified, match=f" and {tried} samples"):
        ask(Cheapest(forbidden=(0,)), replace(preferring(+1), samples=3), samples=asked, require_verified=True)


def test_an_answer_without_a_proof_is_not_optimal(ask):
    response = ask(Cheapest(bounded=False), preferring(-1))

    assert (response.verified, response.optimal, response.halted_by) == (True, False, "max_steps")


def test_the_shape_decides_when_the_task_type_disagrees_and_the_answer_says_so(ask):
    response = ask(Cheapest(), preferring(-1), task_type="logic")

    assert response.task_type == "optimization"
    assert "Asked as logic" in response.answer


def test_a_task_without_a_model_says_so(ask):
    with pytest.raises(ModelMissing, match="cheapest"):
        ask(Cheapest())


def test_a_context_of_no_task_is_answered_with_the_menu(ask):
    with pytest.raises(UnmappableContext, match="'nodes'") as refused:
        ask(Cheapest(), context={"nodes": 10})

    assert [task["name"] for task in refused.value.fields["tasks"]] == ["cheapest"]
    assert refused.value.fields["tasks"][0]["example"]["context"] == {"cheapest_of": [3, 1, 2]}


def test_an_unknown_task_is_answered_with_the_menu(ask):
    with pytest.raises(UnknownTask, match="'ghost'"):
        ask(Cheapest(), task="ghost")


def test_a_draining_service_takes_no_more(registry):
    service = ReasoningService(registry, [])
    service.draining = True

    with pytest.raises(NotReady):
        asyncio.run(service.reason(ReasonRequest(question="?"), "id"))
