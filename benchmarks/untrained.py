"""How much of what a search finds is the model's: the same search, with the same noise and budget, by fresh weights.

    python benchmarks/untrained.py [--count 150] [--tasks rollout,placement] [--samples 1,2,4,8] [--noise 1,0.3]

The instances are those of `agent-reasoning evaluate --all` with this count. The first sample gets no noise.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from agent_reasoning.engine.loading import load_model
from agent_reasoning.evaluation.comparison import compare
from agent_reasoning.evaluation.rivals import RIVALS
from agent_reasoning.evaluation.search import untrained
from agent_reasoning.evaluation.trajectories import EVALUATION, held_out
from agent_reasoning.tasks import builtin_tasks

MODELS = Path(__file__).parents[1] / "models"


def numbers(text):
    return [float(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=150, help="instances a size")
    parser.add_argument("--tasks", default="rollout,placement")
    parser.add_argument("--samples", type=numbers, default=[1, 2, 4, 8])
    parser.add_argument("--noise", type=numbers, default=[], help="others beside the bundle's")
    parser.add_argument("--max-steps", type=int, help="refinement steps; default: the bundle's")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.tasks.split(","):
        task, model = builtin_tasks().get(name), load_model(MODELS / name, "cpu")
        model = replace(model, max_steps=options.max_steps or model.max_steps)
        beside = {"untrained": untrained(model)}
        for noise in options.noise:
            for who, other in (("model", model), ("untrained", untrained(model))):
                beside[f"{who}, noise {noise:g}"] = replace(other, noise=noise)
        sets = held_out(task, options.count, EVALUATION, 0, task.info.sizes)
        for line in compare(task, model, sets, beside=beside, samples=[int(n) for n in options.samples]):
            if line.who not in RIVALS.get(name, {}):
                print(f"{line.instances_of} ({line.instances}), {line.who}: valid {line.verified:.1%}, "
                      f"best {line.best:.1%}, {line.mean_milliseconds:.0f} ms", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
