"""What is printed, and the plot."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.serving.stream import ROOT

progress = Console(stderr=True, highlight=False, soft_wrap=True)
PACKAGES = ("torch", "numpy", "uvicorn", "fastapi", "litserve", "aiohttp", "matplotlib")
NAMES = {"ours": "agent-reasoning", "litserve": "LitServe", "litserve_batched": "LitServe, batches"}


def say(line: str) -> None:
    progress.print(line, markup=False)


def ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def window_line(summary: Mapping[str, Any]) -> str:
    bad = [f"{summary[name]} {name.replace('_', ' ')}" for name in ("wrong_called_verified", "crossed", "lost")
           if summary[name]]  # fmt: skip
    return (
        f"offered {summary['offered_rate']:.1f}/s, done {summary['throughput']:.1f}/s, "
        f"p50 {ms(summary['p50_ms'])} ms, p99 {ms(summary['p99_ms'])} ms, errors {summary['error_share']:.1%}, "
        f"refused {summary['refused_share']:.1%}, verified {summary['verified_share']:.1%}"
        + "".join(f", {what.upper()}" for what in bad)
    )


def machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)
    return {
        "cpu": model or platform.processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "load_average_at_start": os.getloadavg(),
        "python": platform.python_version(),
        "versions": {name: found for name in PACKAGES if (found := installed(name))},
        "commit": git("rev-parse", "HEAD"),
        "uncommitted_changes": None
        if (changes := git("status", "--porcelain", "--", "src", "models")) is None
        else bool(changes),
    }


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def table(title: str, *columns: str) -> Table:
    made = Table(title=title, title_justify="left", min_width=len(title) + 2)
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number else "left")
    return made


def show(figures: Mapping[str, Any]) -> None:
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    parts = {"offline": offline, "open": open_loop, "overhead": overhead, "soak": soak}
    for name, part in parts.items():
        if name in figures:
            console.print(part(figures[name]))
    if "offline" in figures:
        console.print(
            f"Setting: batch size × threads. Wrong called verified: {figures['offline']['ours']['wrong_called_verified']}"
        )
    for name, server in figures.get("open", {}).get("servers", {}).items():
        how = f" ({server['setting']})" if "setting" in server else ""
        console.print(f"{NAMES[name]} carries {server['capacity']:.1f}/s{how}")
    for name, label in NAMES.items():
        if ratio := figures.get("open", {}).get(f"capacity_ratio_to_{name}"):
            console.print(f"Throughput at p99 of at most 1 s, ours / {label}: {ratio:.2f}")


def offline(figures: Mapping[str, Any]) -> Table:
    made = table("Offline", "", "problems/s", "verified", "ours / this", "setting")
    names = {"reference": "loop, all steps", "reference_early": "loop, stops with its batch", "ours": "ours, over HTTP"}
    for key, name in names.items():
        row = figures[key]
        how = [f"{task} {s['batch_size']} × {s['threads']}T" for task, s in row.get("tasks", {}).items()]
        made.add_row(
            name,
            f"{row['problems_per_second']:.1f}",
            f"{row['verified_share']:.1%}",
            f"{figures['ours']['problems_per_second'] / row['problems_per_second']:.2f}",
            ", ".join(how) or f"{row['clients']} clients",
        )
    return made


def open_loop(figures: Mapping[str, Any]) -> Table:
    """`of`: the share of the server's own capacity; `late`: by how much the client itself was, at the most."""
    made = table("Open loop (p50 / p99 in ms)", "server", "of", "offered/s", "done/s", "answered", "errors", "refused",
                 "verified", "late")  # fmt: skip
    for name, server in figures["servers"].items():
        for row in server["loads"]:
            made.add_row(
                NAMES[name],
                f"{row['share']:.0%}",
                f"{row['offered_rate']:.1f}",
                f"{row['throughput']:.1f}",
                f"{ms(row['p50_ms'])} / {ms(row['p99_ms'])}",
                f"{row['error_share']:.1%}",
                f"{ms(row['refused_p50_ms'])} / {ms(row['refused_p99_ms'])}",
                f"{row['verified_share']:.1%}",
                ms(row["client_late_p99_ms"]),
            )
    return made


def overhead(figures: Mapping[str, Any]) -> Table:
    made = table(
        f"Overhead, {figures['requests']} rollouts of {figures['rollout_steps']} steps", "", "p50 ms", "p99 ms"
    )
    for name in ("wall", "network", "overhead"):
        made.add_row(name, f"{figures[f'{name}_p50_ms']:.2f}", f"{figures[f'{name}_p99_ms']:.2f}")
    return made


def soak(figures: Mapping[str, Any]) -> Table:
    made = table(f"Soak, {figures['minutes']:g} minutes at {figures['offered_rate']:.1f}/s", "", "")
    for name in ("requests", "lost", "crossed", "wrong_called_verified"):
        made.add_row(name.replace("_", " "), str(figures[name]))
    made.add_row("errors", f"{figures['error_share']:.2%} {figures['errors'] or ''}")
    made.add_row("p50, p99", f"{ms(figures['p50_ms'])} ms, {ms(figures['p99_ms'])} ms")
    first, last = figures["resident"][0]["resident_mib"], figures["resident"][-1]["resident_mib"]
    made.add_row("resident memory, first and last", f"{first:.1f} MiB, {last:.1f} MiB")
    since = figures["resident_growth_since_seconds"]
    made.add_row(f"its growth from {since:.0f} s on", f"{figures['resident_growth_mib']:+.1f} MiB")
    return made


def plot(figures: Mapping[str, Any], file: Path) -> None:
    """Latency against offered rate, of all windows of the search and of the loads after it."""
    try:
        import matplotlib
    except ImportError:
        say("No plot: matplotlib is not installed (benchmarks/serving/requirements.txt).")
        return
    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for (name, server), colour in zip(
        figures["servers"].items(), ("tab:blue", "tab:orange", "tab:green"), strict=False
    ):
        rows = sorted([*server["windows"], *server["loads"]], key=lambda row: row["offered_rate"])
        rows = [row for row in rows if row["p99_ms"] is not None]
        rates = [row["offered_rate"] for row in rows]
        for percent, line in ((50, "-"), (99, "--")):
            latencies = [row[f"p{percent}_ms"] for row in rows]
            axes.plot(rates, latencies, line, color=colour, marker=".", label=f"{NAMES[name]}, p{percent}")
        axes.axvline(server["capacity"], color=colour, linewidth=0.8, alpha=0.5)
    axes.axhline(1000, color="grey", linewidth=0.8)
    axes.set(xlabel="offered requests a second", ylabel="latency of those answered, ms", yscale="log")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)
    say(f"Plot: {file}")
