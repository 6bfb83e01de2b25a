"""Whose step is next. Jobs take turns, so that one of many samples or steps shares with the others."""

from collections import deque
from collections.abc import Callable

from agent_reasoning.engine.job import Job
from agent_reasoning.engine.pool import Pool
from agent_reasoning.engine.workers import InFlight

FAIR_SHARE = 4
LEAST_PARTS = (
    2  # of a round of several lanes, where a step is of one job: it may use two cores, and no answer tells if it did
)


class Turns:
    """The jobs with a step to take, in the order in which they came to have one."""

    def __init__(self) -> None:
        self._jobs: dict[Job, None] = {}
        self._taken = 0

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def add(self, job: Job) -> None:
        """At the end, if it has none yet."""
        self._jobs.setdefault(job)

    def drop(self, job: Job) -> None:
        self._jobs.pop(job, None)

    def take(self, pool_of: Callable[[Job], Pool]) -> tuple[Pool, list[InFlight]]:
        """A step for the job whose turn it is, and for others of its pool as far as there is room, unless a step is of one
        job. They have had their turns then."""
        first = self._next()
        pool = pool_of(first)
        if pool.one_job:
            self.drop(first)
            share = min(pool.rows_at_once, -(-first.expected[first.round] // LEAST_PARTS))
            return pool, [_launched(first) for _ in range(min(share, len(first.to_step)))]
        rows: list[InFlight] = []
        others = (job for job in self._jobs if job.task == first.task and job.bucket == first.bucket)
        sharing = deque([first, *(job for job in others if job is not first)])
        while sharing and len(rows) < pool.rows_at_once:
            job = sharing.popleft()
            self.drop(job)
            rows.append(_launched(job))
            if job.to_step:
                sharing.append(job)
        rows.sort(key=lambda row: row.trajectory.slot)
        return pool, rows

    def _next(self) -> Job:
        """Who came first, so that the slowest are not slower still; but one turn in FAIR_SHARE is for who has waited
        longest for one, so that a job of many samples or steps cannot keep the others from theirs. Whom more than the first
        sample works for is behind those who may need no more than it."""
        self._taken += 1
        if self._taken % FAIR_SHARE == 0:
            return next(iter(self._jobs))
        return min(self._jobs, key=lambda job: (job.in_company, job.queued))


def _launched(job: Job) -> InFlight:
    """The next step of the job's round."""
    trajectory = job.to_step.popleft()
    trajectory.launched += 1
    trajectory.in_flight += 1
    return InFlight(job, trajectory, job.round, trajectory.launched)
