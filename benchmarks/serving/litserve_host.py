"""The same weights behind LitServe, with its own dynamic batching; run as a process of its own.

A batch may hold problems of several tasks: those of one task are one static batch, which runs until all of it verifies
or its step budget is spent. The response holds the verdict and the solution, and no trace.
"""

import argparse
from pathlib import Path
from typing import Any

import litserve
import torch

from agent_reasoning.engine.loading import load_bundles
from agent_reasoning.problem import Problem
from agent_reasoning.tasks import Task, builtin_tasks
from benchmarks.serving.plain import PlainBatch

Decoded = tuple[Task[Any], Any, Problem]
Solved = dict[str, Any]


class ReasonAPI(litserve.LitAPI):
    def __init__(self, models: Path, threads: int, recorded: bool, **options: Any) -> None:
        super().__init__(api_path="/reason", **options)
        self._path, self._threads, self._recorded = models, threads, recorded

    def setup(self, device: str) -> None:
        torch.set_num_threads(self._threads)
        self._registry = builtin_tasks()
        self._models = {model.task: model for model in load_bundles(self._path, "cpu")}
        self._runners = {task: model.runner for task, model in self._models.items()} if self._recorded else {}

    def decode_request(self, request: dict[str, Any]) -> Decoded:
        task = self._registry.find(request["context"])
        instance = task.read(request["context"])
        return task, instance, task.encode(instance)

    def batch(self, inputs: list[Decoded]) -> list[Decoded]:
        return list(inputs)

    def predict(self, inputs: list[Decoded] | Decoded) -> list[Solved] | Solved:
        if isinstance(inputs, tuple):  # max_batch_size 1: LitServe then calls neither batch nor unbatch
            return self._solve([inputs])[0]
        found: dict[int, Solved] = {}
        for name in self._models:
            rows = [row for row, (task, _, _) in enumerate(inputs) if task.info.name == name]
            if rows:
                found.update(zip(rows, self._solve([inputs[row] for row in rows]), strict=True))
        return [found[row] for row in range(len(inputs))]

    def unbatch(self, output: list[Solved]) -> list[Solved]:
        return output

    def encode_response(self, output: Solved) -> Solved:
        return output

    def _solve(self, batch: list[Decoded]) -> list[Solved]:
        """One task's static batch."""
        model = self._models[batch[0][0].info.name]
        running = PlainBatch(model, [problem for _, _, problem in batch], self._runners.get(model.task))
        solved: list[Solved] = []
        for step in range(1, model.max_steps + 1):
            choices = running.step()
            solved = []
            for row, (task, instance, problem) in enumerate(batch):
                solution = task.decode(instance, choices[row][: problem.candidates.shape[0]])
                verified = task.verify(instance, solution).valid
                solved.append({"verified": verified, "solution": solution, "steps": step})
            if all(row["verified"] for row in solved):
                break
        return solved


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--max-batch-size", type=int, default=8)
    parser.add_argument("--batch-timeout", type=float, default=0.005)
    parser.add_argument("--recorded", action="store_true")
    given = parser.parse_args()
    batching = {"max_batch_size": given.max_batch_size, "batch_timeout": given.batch_timeout}
    api = ReasonAPI(given.models, given.threads, given.recorded, **batching)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=given.workers, timeout=120)
    server.run(host="127.0.0.1", port=given.port, log_level="error", generate_client_file=False)


if __name__ == "__main__":
    main()
