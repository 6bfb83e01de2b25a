"""Rollouts by other means than the package's: a timeline cut into quarters, every order tried. Slow and plain, for small
ones whose durations are quarters of a unit."""

from itertools import permutations, takewhile


def quarters(time):
    """None for what lies between two."""
    whole = round(time * 4)
    return whole if whole / 4 == time else None


def is_right(graph, durations, at_once, starts):
    """`starts`: name -> time."""
    begins = {name: quarters(starts[name]) for name in graph.names}
    if None in begins.values() or min(begins.values()) < 0:
        return False
    busy = {
        name: set(range(begins[name], begins[name] + quarters(duration)))
        for name, duration in zip(graph.names, durations, strict=True)
    }
    for name, needs in zip(graph.names, graph.needs, strict=True):
        if any(max(busy[graph.names[need]]) >= min(busy[name]) for need in needs):
            return False
    moments = set().union(*busy.values())
    return all(sum(moment in of for of in busy.values()) <= at_once for moment in moments)


def total(graph, durations, starts):
    return max(starts[name] + duration for name, duration in zip(graph.names, durations, strict=True))


def soonest(needs, durations, at_once):
    """Over every order, each step as early as it can."""
    lengths, best = [quarters(duration) for duration in durations], None
    for order in permutations(range(len(needs))):
        ends, busy = {}, {}
        for step in takewhile(lambda step: all(need in ends for need in needs[step]), order):  # noqa: B023  used at once
            begin = max((ends[need] for need in needs[step]), default=0)
            while any(busy.get(moment, 0) >= at_once for moment in range(begin, begin + lengths[step])):
                begin += 1
            ends[step] = begin + lengths[step]
            for moment in range(begin, ends[step]):
                busy[moment] = busy.get(moment, 0) + 1
        if len(ends) == len(needs):
            best = min(filter(None, (best, max(ends.values()))))
    return best / 4


def depths(needs, durations=None):
    """For each step how long the longest chain is that ends with it."""

    def depth(step):
        own = 1 if durations is None else durations[step]
        return own + max(map(depth, needs[step]), default=0)

    return [depth(step) for step in range(len(needs))]
