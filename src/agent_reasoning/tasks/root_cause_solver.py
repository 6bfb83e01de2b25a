"""The least costly explanation, by exhaustive search with bounds: for labels, evaluations and tests, never for answers."""

from agent_reasoning.tasks.outage import Outage


def least_cost(outage: Outage, most: int = 64) -> tuple[float, list[tuple[int, ...]]]:
    """The least cost, and the explanations that have it, at most `most` of them."""
    order = sorted(outage.alerting, key=lambda alert: sum(fails >> alert & 1 for fails in outage.fails.values()))
    covering = {
        alert: sorted(
            (suspect for suspect, fails in outage.fails.items() if fails >> alert & 1),
            key=lambda suspect: outage.cost(outage.fails[suspect], 1),
        )
        for alert in order
    }
    best = min(outage.nothing_broke, outage.best_single)
    found: dict[tuple[int, ...], None] = {}
    if outage.nothing_broke == best:
        found[()] = None
    weights = outage.weights

    def search(place: int, faults: tuple[int, ...], failing: int, called_false: int, ruled_out: int) -> None:
        """Alerts before `place` in the order are explained or called false. `ruled_out`: suspects without a fault."""
        nonlocal best
        while place < len(order) and failing >> order[place] & 1:
            place += 1
        # Not below this: what fails stays failing, what was called false stays unexplained.
        cost = outage.cost(failing | outage.alerts, len(faults)) + weights.false * called_false
        if cost > best:
            return
        if place == len(order):
            if faults:
                if cost < best:
                    best = cost
                    found.clear()
                if len(found) < most:
                    found[tuple(sorted(faults))] = None
            return
        alert = order[place]
        barred = ruled_out
        for suspect in covering[alert]:
            if not ruled_out >> suspect & 1:
                fails = outage.fails[suspect]
                if not fails & called_false_mask[-1]:
                    search(place + 1, (*faults, suspect), failing | fails, called_false, barred)
                barred |= 1 << suspect  # the cases after this one are those without it
        called_false_mask.append(called_false_mask[-1] | 1 << alert)
        search(place + 1, faults, failing, called_false + 1, barred)
        called_false_mask.pop()

    called_false_mask = [0]
    search(0, (), 0, 0, 0)
    return best, list(found)
