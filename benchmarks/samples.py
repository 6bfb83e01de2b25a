"""What samples cost those who need only one: processor time a problem, many problems at once, by samples.

    python benchmarks/samples.py [--count 150] [--tasks sudoku,rollout,root-cause,placement,maze]

Fresh instances of each task's middle size, all submitted at once to an engine in this process, with one sample and with as
many as the model is set to. Processor time, unlike seconds, hardly depends on what else runs on the machine.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import torch

from agent_reasoning.engine.engine import Engine
from agent_reasoning.engine.loading import load_model
from agent_reasoning.evaluation.trajectories import EVALUATION, held_out
from agent_reasoning.tasks import builtin_tasks, verdict_on

MODELS = Path(__file__).parents[1] / "models"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=150, help="problems of a task")
    parser.add_argument("--tasks", default="sudoku,rollout,root-cause,placement,maze")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| task | samples | verified | proven the best | applications | CPU ms a problem |\n|---|---|---|---|---|---|"
    )
    for name in options.tasks.split(","):
        task, model = builtin_tasks().get(name), load_model(MODELS / name, "cpu")
        size = task.info.sizes[len(task.info.sizes) // 2]
        sets = held_out(task, options.count, EVALUATION, 0, [size])
        instances = [item.instance for items in sets.values() for item in items]
        for samples in dict.fromkeys((1, model.samples)):
            measure(task, model, instances, samples, f"{name}, {size} {task.info.size_unit}")


def measure(task, model, instances, samples, label):
    engine = Engine([model], max_queue=len(instances))
    engine.start()

    def submit(instance):
        return engine.submit(
            engine.arrange(task.info.name, task.encode(instance)), partial(verdict_on, task, instance),
            max_steps=model.max_steps, samples=samples, seed=0, timeout_seconds=3600,
        )  # fmt: skip

    try:
        submit(instances[0]).result()  # the first step is recorded
        begun = time.process_time()
        outcomes = [future.result() for future in [submit(instance) for instance in instances]]
        milliseconds = (time.process_time() - begun) * 1000 / len(outcomes)
    finally:
        engine.stop()
    verdicts = [outcome.answer.verdict for outcome in outcomes]
    applications = sum(outcome.applications for outcome in outcomes) / len(outcomes)
    print(f"| {label} | {samples} | {sum(v.valid for v in verdicts) / len(verdicts):.1%} "
          f"| {sum(v.optimal for v in verdicts) / len(verdicts):.1%} | {applications:.0f} | {milliseconds:.1f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
