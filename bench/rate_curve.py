"""The curve of latency and processor time against the rate of readings."""

from __future__ import annotations

from collections.abc import Sequence

from infra.settings import PROJECT_ROOT

CURVE = PROJECT_ROOT / "docs" / "curves" / "rate.svg"


def draw(points: Sequence[tuple[int, float, float, float]]) -> None:
    """Write CURVE, of points (readings/s, p50 in ms, p99 in ms, cores in use)."""
    import matplotlib.pyplot as plt

    rates, p50, p99, cores = zip(*points, strict=True)
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7, 6))
    for values, name in ((p50, "p50"), (p99, "p99")):
        above.plot(rates, values, marker="o", label=name)
    above.set(yscale="log", ylabel="insertion to breach, ms")
    above.legend()
    below.plot(rates, cores, marker="o", color="tab:red")
    below.set(xscale="log", xlabel="readings a second", ylabel="cores in use", ylim=(0, None))
    for axes in (above, below):
        axes.grid(visible=True, alpha=0.3)
    below.set_xticks(rates, [f"{rate:,}" for rate in rates])
    CURVE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(CURVE, bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
