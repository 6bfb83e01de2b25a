"""How much of what a search finds is the model's: the same search, with the same noise and budget, by fresh weights.

    python benchmarks/untrained.py [--count 150] [--tasks rollout,placement]

The instances are those of `agent-reasoning evaluate --all` with this count.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from agent_reasoning.engine.confidence import Confidence
from agent_reasoning.engine.structured import StructuredModel
from agent_reasoning.evaluation.comparison import compare
from agent_reasoning.evaluation.rivals import RIVALS
from agent_reasoning.evaluation.trajectories import EVALUATION, held_out
from agent_reasoning.networks.bundle import load_bundle
from agent_reasoning.networks.structured import StructuredNetwork
from agent_reasoning.tasks import builtin_tasks

MODELS = Path(__file__).parents[1] / "models"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=150, help="instances a size")
    parser.add_argument("--tasks", default="rollout,placement")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.tasks.split(","):
        task, bundle = builtin_tasks().get(name), load_bundle(MODELS / name)
        network = StructuredNetwork(bundle.config.network, torch.Generator().manual_seed(0)).eval()
        sets = held_out(task, options.count, EVALUATION, 0, task.info.sizes)
        confidence = Confidence.from_dict(bundle.config.calibration)
        for who, weights in (("trained", bundle.network), ("untrained", network)):
            model = StructuredModel.of(replace(bundle, network=weights), confidence, "cpu", "")
            for line in compare(task, model, sets):
                if line.who not in RIVALS[name]:
                    print(f"{line.instances_of} ({line.instances}), {who}, {line.who}: "
                          f"valid {line.verified:.1%}, best {line.best:.1%}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
