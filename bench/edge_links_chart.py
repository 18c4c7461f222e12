"""The chart of `edge_links.py`, as SVG. Needs matplotlib, of the extra `train`."""

from __future__ import annotations

from pathlib import Path

from bench.edge_links_figures import SHARES
from bench.latency_figures import Figures
from bench.links import load

#: What is drawn as one piece, from the phone's question to the phone's draft.
_PIECES = {
    "link up": (("phone", "link_up"), "#4477aa"),
    "gateway and Kafka, in": (("gateway", "kafka_in"), "#ccbb44"),
    "model": (("model",), "#bbbbbb"),
    "Kafka and gateway, out": (("push",), "#ee8866"),
    "link down": (("link_down",), "#66ccee"),
}
#: The axis has so many times the longest ordinary question: tails would press all else together. What lies beyond this
#: share of it stands there in words.
_ROOM, _FAR = 1.5, 0.86


def draw(found: Figures, file: Path) -> None:
    """Draw two panels: with the model, and without it, where the link can be seen."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "edge-links"  # the same figures make the same file
    from matplotlib import pyplot

    panels = [("with the shipped model", dict(found["full"]))]
    if "path" in found:
        quick = found["path"]["links"] | found["path"]["held"]
        panels.append(("without the model", quick))
    heights = [len(rows) for _, rows in panels]
    figure, axes = pyplot.subplots(
        len(panels), 1, figsize=(9.5, 1.6 + 0.42 * sum(heights)), height_ratios=heights, squeeze=False
    )
    for axis, (title, rows) in zip(axes[:, 0], panels, strict=True):
        names = list(rows)[::-1]
        limit = _ROOM * max(row["total"]["p50"] for row in rows.values())
        for at, name in enumerate(names):
            left = 0.0
            parts, total = rows[name]["around_the_median"], rows[name]["total"]
            for label, (shares, colour) in _PIECES.items():
                wide = max(0.0, sum(parts[share] for share in shares))
                axis.barh(at, wide, left=left, color=colour, label=label if at == 0 else None, height=0.62)
                left += wide
            far: list[str] = []
            for share, mark, size in (("p95", "|", 11), ("p99", "x", 6)):
                named = share if at == 0 else None
                near = total[share] <= _FAR * limit
                axis.plot([total[share]] if near else [], [at] if near else [], mark, markersize=size, color="black",
                          label=named)  # fmt: skip
                if not near:
                    far.append(f"{share} {total[share]:,.0f} ms")
            if far:
                axis.annotate(
                    f"{', '.join(far)} >", (limit, at), (-3, -3), textcoords="offset points", fontsize=8, ha="right"
                )
        axis.set_yticks(
            range(len(names)), [f"{label_of(name)}   {rows[name]['total']['p50']:,.0f}" for name in names], fontsize=8
        )
        axis.set_title(f"Question on the phone to draft on the phone, {title}: an ordinary one", fontsize=10)
        axis.set_xlabel("milliseconds", fontsize=8)
        axis.tick_params(axis="x", labelsize=8)
        axis.grid(axis="x", linewidth=0.3)
        axis.set_axisbelow(True)
        axis.set_xlim(0, limit)
    axes[0, 0].legend(fontsize=7, ncols=4, loc="upper center", bbox_to_anchor=(0.45, -0.16), frameon=False)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def label_of(name: str) -> str:
    """What the chart calls a link."""
    if name == "loopback":
        return "no link (loopback)"
    base = name.removesuffix("-awake")
    title = load(base).title
    if base.startswith("idle-"):
        return title + (", kept awake" if name.endswith("-awake") else "")
    return title


assert {share for shares, _ in _PIECES.values() for share in shares} == set(SHARES)
