"""The tables and the picture of the comparison say what was measured."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

from bench.peers.chart import chart
from bench.peers.cost import Cost
from bench.peers.outcome import Outcome
from bench.peers.report import cost_table, short_table, whole_table
from bench.results import Report, markdown_table

BASE = Outcome(1, "hang", "nothing", None, None, None, 260, 40, 4, 0, 0.02)
OURS = replace(BASE, party="DreamNet", noticed=1.2, served=0.0, whole=2.0, lost_idempotent=0)
OUTCOMES = [
    BASE,
    replace(BASE, round=2, lost_idempotent=50),
    replace(BASE, round=3),
    replace(OURS, lost_other=0),
    replace(OURS, round=2, lost_other=0, whole=None),
    replace(OURS, round=3, lost_other=0),
]


def test_the_short_table_says_never_and_no_failure():
    text = markdown_table(short_table(OUTCOMES))
    assert "| a replica hangs | never (44) |" in text
    assert "| no failure (0) |" in text


def test_a_supervisor_that_died_is_judged_by_whether_somebody_watches_again():
    loop = replace(BASE, fault="kill-node", party="restart-always", served=0.0, lost_other=0)
    ours = replace(loop, party="DreamNet", whole=1.25, lost_idempotent=0)
    text = markdown_table(short_table([replace(loop, lost_idempotent=0), ours]))
    assert "never watched again (0)" in text
    assert "1.25 s (0)" in text


def test_the_whole_table_keeps_what_never_came_about():
    report = Report("all", [whole_table(OUTCOMES)], "x")
    text = report.markdown()
    assert "| a replica hangs (6.5 s watched) | nothing | never | never | never | 40 (40" in text
    assert "2 (2\N{EN DASH}never)" in text
    ours = report.to_json()["tables"][0]["rows"][1]
    assert ours["whole again"]["values"] == [2.0, None, 2.0]
    assert ours["whole again"]["worst"] is None


def test_a_lock_takes_no_instance_so_nothing_is_asked():
    locked = [replace(OURS, fault="locked")]
    assert whole_table(locked).rows[0]["whole again"] is None


def test_costs_are_listed_for_who_was_measured():
    spent = [Cost("DreamNet", loaded, 2.5, 150.0) for loaded in (False, True)]
    assert [row["policy"] for row in cost_table(spent).rows] == ["DreamNet"]


def test_the_picture_is_well_formed_and_complete():
    root = ET.fromstring(chart(OUTCOMES, 40))
    words = [text.text for text in root.iter() if text.tag.endswith("text")]
    assert "a replica hangs" in words
    assert "44" in words
    assert "does not apply" in words
