"""Who gets a slot: one model's pools, and the jobs that wait for them."""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

from agent_reasoning.engine.deduction import Policy
from agent_reasoning.engine.evidence import Evidence
from agent_reasoning.engine.halting import Halting
from agent_reasoning.engine.job import Job, Trajectory
from agent_reasoning.engine.noise import NoiseStream
from agent_reasoning.engine.pool import Pool
from agent_reasoning.problem import Problem

# Pools that nobody uses are given back beyond these, the longest unused first.
MOST_POOLS = 32
MOST_BYTES = 256 * 2**20


class Served(Protocol):
    """What the engine needs of a model."""

    @property
    def task(self) -> str: ...
    @property
    def confidence(self) -> Callable[[Evidence], float]: ...
    @property
    def applications_per_step(self) -> int: ...
    @property
    def halting(self) -> Halting: ...
    @property
    def ahead(self) -> int: ...
    @property
    def deduction(self) -> Policy | None: ...
    @property
    def holds(self) -> bool: ...
    def bucket(self, problem: Problem) -> Hashable: ...
    def arrange(self, problem: Problem, bucket: Any) -> Any: ...
    def pool(self, bucket: Any, slots: int) -> Pool: ...


@dataclass(eq=False, slots=True)
class Bucket:
    """A pool and which of its slots are free."""

    pool: Pool
    free: list[int]

    @property
    def used(self) -> int:
        return self.pool.capacity - len(self.free)


class ModelSlots:
    """`slots` for one model, over all its buckets.

    A job with many samples runs them in lanes: at most a quarter of the slots for one job, and three quarters for all
    such jobs together, so that a job with one sample need not wait for them. How many lanes a job gets follows from
    the request alone; it waits until they are all free.
    """

    def __init__(self, model: Served, slots: int) -> None:
        self.model = model
        self.slots = slots
        self.waiting: deque[Job] = deque()
        self.running: set[Job] = set()
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()
        self._used = 0
        self._used_by_many = 0
        self._lingering = 0  # rows of steps under way in pools that have been given back: their memory is not free yet

    @property
    def used(self) -> int:
        return self._used

    def pool(self, job: Job) -> Pool:
        return self._buckets[job.bucket].pool

    def _lanes(self, job: Job, capacity: int) -> int:
        return max(1, min(job.samples, self.slots // 4, capacity // 2))

    def next_to_enter(self) -> Job | None:
        """The first for whom there is room, taken from those who wait. Who waits for a full bucket lets others pass,
        but none of its own bucket; who waits for lanes lets those with one sample pass; who waits for slots at large
        lets nobody pass. Otherwise a steady stream would keep it out for ever."""
        if self._lingering:
            return None
        full: set[Hashable] = set()
        lanes_awaited = False
        for job in self.waiting:
            if job.bucket in full:
                continue
            bucket = self._buckets.get(job.bucket)
            # A new bucket has room; if it has less than this, its making will say so.
            lanes = self._lanes(job, self.slots if bucket is None else bucket.pool.capacity)
            if lanes > 1 and (lanes_awaited or self._used_by_many + lanes > self.slots * 3 // 4):
                lanes_awaited = True
                continue
            if bucket is not None and lanes > len(bucket.free):
                full.add(job.bucket)
                continue
            if self._used + lanes > self.slots:
                return None
            self.waiting.remove(job)
            return job
        return None

    def enter(self, job: Job) -> None:
        """Begin the job's first trajectories. Raises whatever the device does; the job then holds the slots that it
        was given, until it leaves."""
        self.running.add(job)
        bucket = self._buckets.get(job.bucket)
        if bucket is None:
            while self._hold_much() and self.give_back_unused(1):
                pass
            pool = self.model.pool(job.bucket, self.slots)
            bucket = self._buckets[job.bucket] = Bucket(pool, list(range(pool.capacity))[::-1])
        self._buckets.move_to_end(job.bucket)
        lanes = self._lanes(job, bucket.pool.capacity)
        job.in_lanes = lanes > 1
        self._used += lanes
        self._used_by_many += lanes if job.in_lanes else 0
        self._begin(job, bucket, [bucket.free.pop() for _ in range(lanes)], 0)

    def refill(self, job: Job, ended: Trajectory, first_round: int) -> bool:
        """Begin the job's next sample in the slot of one that has ended; False when it has had them all."""
        if job.next_sample >= job.samples:
            return False
        self._begin(job, self._buckets[job.bucket], [ended.slot], first_round)
        return True

    def _begin(self, job: Job, bucket: Bucket, slots: list[int], first_round: int) -> None:
        samples = range(job.next_sample, job.next_sample + len(slots))
        job.next_sample += len(slots)
        # Listed before the tensors are written, so that a failure there finds the slots and frees them.
        for sample, slot in zip(samples, slots, strict=True):
            joins = max(first_round, self.model.halting.first_round(sample))
            job.lanes.append(Trajectory(sample, slot, joins, bucket.free))
        bucket.pool.enter(slots, job.arranged, [NoiseStream(job.seed, sample) for sample in samples])

    def release(self, job: Job, trajectory: Trajectory) -> None:
        """A lane less. Its slot is free once nothing of it is in flight: a step must not write into another's."""
        assert not trajectory.released
        self._used_by_many -= job.in_lanes
        trajectory.released = True
        self._free(trajectory)

    def returned(self, trajectory: Trajectory) -> bool:
        """A step of it is back. True where that made its slot free."""
        trajectory.in_flight -= 1
        self._lingering -= trajectory.vacated
        return self._free(trajectory)

    def _free(self, trajectory: Trajectory) -> bool:
        if not trajectory.released or trajectory.in_flight:
            return False
        trajectory.free.append(trajectory.slot)
        self._used -= 1
        return True

    def leave(self, job: Job) -> None:
        """The job is over, or starts afresh: all its slots are free."""
        if job in self.running:
            self.running.remove(job)
            for lane in (*job.lanes, *job.leaving):
                self.release(job, lane)
        elif job in self.waiting:
            self.waiting.remove(job)

    def vacate(self, bucket: Hashable) -> list[Job]:
        """Give the bucket's pool back; its jobs, which are returned, wait again and begin from their start."""
        again = sorted((job for job in self.running if job.bucket == bucket), key=lambda job: job.queued, reverse=True)
        for job in again:
            for trajectory in job.tried:
                trajectory.vacated = True
                self._lingering += trajectory.in_flight
            self.leave(job)
            job.restart()
            self.waiting.appendleft(job)
        self._buckets.pop(bucket, None)
        return again

    def halve(self) -> None:
        """Pools that are made from now on have half as many slots, and all together hold no more trajectories."""
        self.slots //= 2

    def _hold_much(self) -> bool:
        held = sum(bucket.pool.size_bytes for bucket in self._buckets.values())
        return len(self._buckets) >= MOST_POOLS or held > MOST_BYTES

    def give_back_unused(self, most: int = MOST_POOLS) -> int:
        """Pools that nobody uses, the longest unused first. Returns how many there were."""
        unused = [name for name, bucket in self._buckets.items() if not bucket.used][:most]
        for name in unused:
            del self._buckets[name]
        return len(unused)
