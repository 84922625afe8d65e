"""The requests that were lost, as a picture: plain SVG, written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench.figures import number
from bench.peers.faults import FAULTS, Fault
from bench.peers.outcome import Outcome
from bench.peers.party import PARTIES
from bench.peers.report import middle, of

COLOURS = ("#9aa0a6", "#e8a33d", "#d9653b", "#7a6fb0", "#1a7f64")
WIDTH, LEFT, TOP, BAR, GAP = 860, 210, 70, 11, 16
_TEXT = 'font-family="sans-serif" font-size="12" fill="#444"'


def chart(outcomes: Sequence[Outcome], rate_per_s: float) -> str:
    """One group of bars for each fault, one bar for each policy: median of the requests lost."""
    faults = [fault for fault in FAULTS if any(of(outcomes, fault, one) for one in PARTIES)]
    medians = {
        (fault.name, party): middle(one.lost for one in own)
        for fault in faults
        for party in PARTIES
        if (own := of(outcomes, fault, party))
    }
    scale = (WIDTH - LEFT - 60) / max(1.0, *medians.values())
    group = BAR * len(PARTIES) + GAP
    parts = [_head(TOP + group * len(faults), rate_per_s), _legend()]
    for place, fault in enumerate(faults):
        parts += _group(fault, medians, TOP + place * group, scale)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _head(height: int, rate_per_s: float) -> str:
    title = f"Requests lost after a fault, of {rate_per_s:.0f} a second (median; shorter is better)"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img">\n<title>{title}</title>\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>\n'
        f'<text x="10" y="22" {_TEXT} font-weight="bold">{title}</text>'
    )


def _legend() -> str:
    step = (WIDTH - 20) // len(PARTIES)
    parts = [
        f'<rect x="{10 + place * step}" y="36" width="11" height="11" fill="{colour}"/>'
        f'<text x="{26 + place * step}" y="46" {_TEXT}>{escape(party)}</text>'
        for place, (party, colour) in enumerate(zip(PARTIES, COLOURS, strict=True))
    ]
    return "\n".join(parts)


def _group(
    fault: Fault, medians: dict[tuple[str, str], float], top: int, scale: float
) -> list[str]:
    middle_y = top + BAR * len(PARTIES) // 2 + 4
    label = f'<text x="{LEFT - 10}" y="{middle_y}" text-anchor="end" {_TEXT}>'
    parts = [f"{label}{escape(fault.title)}</text>"]
    for place, party in enumerate(PARTIES):
        y, lost = top + place * BAR, medians.get((fault.name, party))
        width = 0 if lost is None else max(1.0, lost * scale)
        words = "does not apply" if lost is None else number(lost)
        parts.append(
            f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 2}" '
            f'fill="{COLOURS[place]}"/><text x="{LEFT + width + 5:.1f}" y="{y + 8}" '
            f'font-family="sans-serif" font-size="9" fill="#444">{words}</text>'
        )
    return parts
