"""Grafana's JSON for what the dashboard uses of it: panels that are told apart by their queries and little else."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, ROW_HEIGHT = 24, 1


@dataclass(frozen=True, slots=True)
class Query:
    """expr: PromQL, with Grafana's `$__rate_interval` and this dashboard's variables."""

    expr: str
    legend: str
    exemplar: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """unit: an id of Grafana's. bounds: the axis, where a value outside of it would be a bug."""

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    bounds: tuple[float | None, float | None] = (0, None)
    stacked: bool = False
    thresholds: tuple[tuple[float | None, str], ...] = field(default=((None, "green"),))


@dataclass(frozen=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


def dashboard(title: str, uid: str, description: str, variables: list[Json], rows: tuple[Row, ...]) -> Json:
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["agent-reasoning"],
        "timezone": "browser",
        "editable": False,
        "graphTooltip": 1,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "schemaVersion": 39,
        "version": 1,
        "templating": {"list": variables},
        "annotations": {"list": []},
        "links": [],
        "panels": placed(rows),
    }


def placed(rows: tuple[Row, ...]) -> list[Json]:
    """Panels side by side, in rows of Grafana's grid."""
    found: list[Json] = []
    y = 0
    for row in rows:
        place = {"h": ROW_HEIGHT, "w": WIDTH, "x": 0, "y": y}
        found.append(
            {
                "id": len(found) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "panels": [],
                "gridPos": place,
            }
        )
        y += ROW_HEIGHT
        x = tallest = 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            place = {"h": panel.height, "w": panel.width, "x": x, "y": y}
            found.append(rendered(panel, len(found) + 1, place))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    return found


def rendered(panel: Panel, number: int, place: Json) -> Json:
    steps = [{"value": value, "color": color} for value, color in panel.thresholds]
    low, high = panel.bounds
    defaults = {
        "unit": panel.unit,
        **({} if low is None else {"min": low}),
        **({} if high is None else {"max": high}),
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom": custom(panel) if panel.kind == "timeseries" else {},
    }
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": place,
        "targets": [target(query, letter) for query, letter in zip(panel.queries, "ABCDEFGH", strict=False)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": timeseries_options() if panel.kind == "timeseries" else stat_options(),
    }


def target(query: Query, letter: str) -> Json:
    return {
        "refId": letter,
        "datasource": DATASOURCE,
        "expr": query.expr,
        "legendFormat": query.legend,
        "range": True,
        **({"exemplar": True} if query.exemplar else {}),
    }


def custom(panel: Panel) -> Json:
    mode = "normal" if panel.stacked else "none"
    return {"fillOpacity": 25 if panel.stacked else 5, "showPoints": "never", "stacking": {"mode": mode, "group": "A"}}


def timeseries_options() -> Json:
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def stat_options() -> Json:
    return {
        "graphMode": "area",
        "colorMode": "value",
        "justifyMode": "auto",
        "textMode": "auto",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
        "orientation": "auto",
        "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
    }


def datasource_variable() -> Json:
    return {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus"}


def label_variable(name: str, label: str, query: str) -> Json:
    """One to choose from the values of a label; all of them to begin with."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATASOURCE,
        "query": query,
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"selected": True, "text": "All", "value": "$__all"},
    }
