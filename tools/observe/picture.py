"""`python -m tools.observe.picture FILE`: draw the dashboard from its queries' answers, since Grafana cannot be had here.

It rehearses for some minutes, with a burst, and asks Prometheus what each panel asks. The layout is the dashboard's; the look
is matplotlib's.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tools.observe import dashboard
from tools.observe.grafana import WIDTH, Json
from tools.observe.rehearsal import Load, Rehearsal, rehearsal
from tools.observe.stand_in import text

INCHES = 0.75  # of a cell of the grid
GROUND, INK, FAINT = "#181b1f", "#d8d9da", "#34383e"
COLORS = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c"}
SHORT = {
    "percentunit": (100, "%"),
    "s": (1000, " ms"),
    "bytes": (1 / 2**20, " MiB"),
    "reqps": (1, "/s"),
    "ops": (1, "/s"),
}


def draw(stage: Rehearsal, begin: float, end: float) -> Figure:
    panels = dashboard.model()["panels"]
    invented = {line.split("{")[0] for line in text(0).splitlines()}
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = plt.figure(figsize=(WIDTH * INCHES, height * INCHES * 0.4), facecolor=GROUND)
    for panel in panels:
        at = panel["gridPos"]
        box = (at["x"] / WIDTH, 1 - (at["y"] + at["h"]) / height, at["w"] / WIDTH, at["h"] / height)
        if panel["type"] == "row":
            figure.text(0.008, box[1] + box[3] / 2, panel["title"], color=INK, fontsize=13, weight="bold", va="center")
            continue
        axes = figure.add_axes((box[0] + 0.032, box[1] + 0.2 * box[3], box[2] - 0.042, box[3] * 0.62), facecolor=GROUND)
        named = " ".join(target["expr"] for target in panel["targets"])
        mark = "   (stand-in)" if any(name in named for name in invented) else ""
        axes.set_title(panel["title"] + mark, color=INK, fontsize=11, loc="left")
        if panel["type"] == "stat":
            number(axes, panel, stage)
        else:
            lines(axes, panel, stage, begin, end)
    return figure


def number(axes: Axes, panel: Json, stage: Rehearsal) -> None:
    [(_, value)] = stage.now(panel["targets"][0]["expr"])[:1]
    axes.axis("off")
    axes.text(0, 0.45, worded(value, panel), color=COLORS[color_of(value, panel)], fontsize=24, va="center")


def color_of(value: float, panel: Json) -> str:
    """Of the last threshold that the value reaches; the first has none."""
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return str([step["color"] for step in steps if step["value"] is None or value >= step["value"]][-1])


def worded(value: float, panel: Json) -> str:
    factor, unit = SHORT.get(panel["fieldConfig"]["defaults"]["unit"], (1, ""))
    return f"{value * factor:.4g}{unit}"


def lines(axes: Axes, panel: Json, stage: Rehearsal, begin: float, end: float) -> None:
    factor, unit = SHORT.get(panel["fieldConfig"]["defaults"]["unit"], (1, ""))
    step = max(1.0, (end - begin) / 180)
    drawn: list[tuple[str, list[float], list[float]]] = []
    for target in panel["targets"]:
        for labels, points in stage.history(target["expr"], begin, end, step):
            minutes = [(at - begin) / 60 for at, value in points if not math.isnan(value)]
            values = [value * factor for _, value in points if not math.isnan(value)]
            if not values:
                continue
            drawn.append((legend(target["legendFormat"], labels), minutes, values))
    custom = panel["fieldConfig"]["defaults"]["custom"]
    if custom["stacking"]["mode"] == "normal" and len({tuple(minutes) for _, minutes, _ in drawn}) == 1:
        axes.stackplot(drawn[0][1], *(values for *_, values in drawn), labels=[name for name, *_ in drawn], alpha=0.7)
    else:
        for name, minutes, values in drawn:
            axes.plot(minutes, values, label=name, linewidth=1.2)
    axes.set_ylim(bottom=0, top=factor if panel["fieldConfig"]["defaults"].get("max") == 1 else None)
    axes.tick_params(colors=INK, labelsize=8, length=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}{unit}")
    axes.grid(color=FAINT, linewidth=0.5)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.legend(
        fontsize=7.5,
        labelcolor=INK,
        frameon=False,
        ncols=4,
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.09),
        borderaxespad=0,
    )


def legend(form: str, labels: dict[str, Any]) -> str:
    for label, value in labels.items():
        form = form.replace(f"{{{{{label}}}}}", str(value))
    return form.removeprefix("agent-reasoning-")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--minutes", type=float, default=6)
    options = parser.parse_args()
    with rehearsal() as stage:
        begin, third = time.time(), options.minutes * 20
        with Load(stage):
            time.sleep(third)
            with Load(stage, clients=48, pause_seconds=0.2):  # more than two replicas hold
                time.sleep(third / 2)
            time.sleep(third * 1.5)
        draw(stage, begin + 15, time.time()).savefig(options.file, dpi=80, facecolor=GROUND)
    print(f"wrote {options.file}")


if __name__ == "__main__":
    main()
