"""Figures as pictures: SVG inside the page, without scripts or styles of their own, each with its words and its table."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from markupsafe import Markup

from pipeline.log import plain
from pipeline.report.story import Standings
from pipeline.report.words import Words

SVG = "{http://www.w3.org/2000/svg}"
WIDTH, HEIGHT, BAR = 560, 300, 26
FEWEST = 10
LONGEST = 30
"""Letters of a group's title beside its bar."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture, what it shows in a word and in a sentence, and the same figures in rows under `head`."""

    key: str
    title: str
    told: str
    picture: Markup
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Table = tuple[tuple[str, ...], Sequence[tuple[str, ...]]]


def plots(found: Standings, words: Words) -> list[Plot]:
    """The plots for which there are figures."""
    made = [_sales(found, words), _contacts(found, words), _groups(found, words), _nights(found, words)]
    return [each for each in made if each is not None]


def _sales(found: Standings, words: Words) -> Plot | None:
    days = [found.until - timedelta(days=back) for back in reversed(range(28))]
    bought, cancelled = ([counts.get(day.isoformat(), 0) for day in days] for counts in (found.bought, found.cancelled))
    if not any((*bought, *cancelled)):
        return None
    names = words.say("trend.bought"), words.say("trend.cancelled")
    labels = [words.short_day(day) for day in days]
    chart = _chart("Bar", words, labels, every=7, show_legend=True)
    for name, counts in zip(names, (bought, cancelled), strict=True):
        chart.add(name, counts)
    spoken = {"bought": sum(bought), "cancelled": sum(cancelled), "first": days[0], "last": days[-1]}
    told = words.say("trend.sales_told", **spoken)
    rows = [
        (words.day(day), words.number(one), words.number(other))
        for day, one, other in zip(days, bought, cancelled, strict=True)
        if one or other
    ]
    return _plot("sales", words, told, chart, ((words.say("trend.day"), *names), rows))


def _contacts(found: Standings, words: Words) -> Plot | None:
    if not found.contacts:
        return None
    names = words.say("trend.all"), words.say("trend.valid")
    day, contacts, valid = found.contacts[-1]
    chart = _chart("Line", words, [words.short_day(each[0]) for each in found.contacts], every=0, show_legend=True)
    for place, name in enumerate(names, start=1):
        chart.add(name, [each[place] for each in found.contacts], show_dots=len(found.contacts) < 15)
    told = words.say("trend.contacts_told", day=day, contacts=contacts, valid=valid)
    told += f" {words.say('trend.first')}" if len(found.contacts) == 1 else ""
    rows = [(words.day(each[0]), words.number(each[1]), words.number(each[2])) for each in found.contacts]
    return _plot("contacts", words, told, chart, ((words.say("trend.day"), *names), rows[::-1]))


def _groups(found: Standings, words: Words) -> Plot | None:
    groups = sorted(found.groups, key=lambda group: -group[1])
    if not groups:
        return None
    backwards = groups[::-1]  # the first stands at the foot
    chart = _chart("HorizontalBar", words, [_short(title) for title, _ in backwards], every=1, show_legend=False)
    chart.config.height = 70 + BAR * len(groups)
    chart.add(words.say("trend.members"), [size for _, size in backwards])
    title, members = groups[0]
    told = words.say("trend.groups_told", title=plain(title), members=members)
    rows = [(title, words.number(size)) for title, size in groups]
    return _plot("groups", words, told, chart, ((words.say("trend.group"), words.say("trend.members")), rows))


def _nights(found: Standings, words: Words) -> Plot | None:
    if not found.nights:
        return None
    none_yet = max(0, FEWEST - len(found.nights))  # a few bars would be as wide as doors
    labels = [
        *(" " * (none_yet - place) for place in range(none_yet)),
        *(words.short_day(day) for day, _ in found.nights),
    ]
    chart = _chart("Bar", words, labels, every=7 if len(labels) > FEWEST else 2, show_legend=False)
    chart.add(words.say("trend.axis"), [*[None] * none_yet, *(round(seconds, 1) for _, seconds in found.nights)])
    told = words.say("trend.nights_told", took=words.seconds(found.nights[-1][1]))
    rows = [(words.day(day), words.seconds(seconds)) for day, seconds in found.nights[::-1]]
    return _plot("nights", words, told, chart, ((words.say("trend.day"), words.say("trend.seconds")), rows))


def _plot(key: str, words: Words, told: str, chart: Any, table: Table) -> Plot:
    title = words.say(f"trend.{key}")
    return Plot(key, title, told, _drawn(chart, key, (title, told)), table[0], tuple(table[1]))


def _chart(kind: str, words: Words, labels: Sequence[str], *, every: int, show_legend: bool) -> Any:
    """A chart of the library; of its labels every so many are written (0: the first, the middle and the last)."""
    last = len(labels) - 1
    shown = {0, last // 2, last} if every == 0 else {place for place in range(last + 1) if (last - place) % every == 0}
    chart = getattr(_library(), kind)(
        width=WIDTH,
        height=HEIGHT,
        js=[],
        css=[],
        show_legend=show_legend,
        legend_at_bottom=True,
        legend_at_bottom_columns=2,
        legend_box_size=12,
        show_minor_x_labels=False,
        show_minor_y_labels=True,
        truncate_label=-1,
        truncate_legend=-1,
        margin=8,
        margin_right=26,
        spacing=8,
        min_scale=2,
        max_scale=6,
        include_x_axis=True,
        value_formatter=lambda value: words.number(round(value, 1)),
        style=_style(),
    )
    chart.x_labels = list(labels)
    if every != 1:
        chart.x_labels_major = [label for place, label in enumerate(labels) if place in shown]
    else:
        chart.show_minor_x_labels = True
    return chart


@lru_cache(maxsize=1)
def _library() -> Any:
    """The library, without the finder of modules of an old kind that it leaves behind: every later import would warn of it."""
    import pygal

    sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
    return pygal


def _style() -> Any:
    """Sizes that the library reckons with; what is seen is styled by the page."""
    from pygal.style import Style

    return Style(
        font_family="sans-serif",
        label_font_size=14,
        major_label_font_size=14,
        legend_font_size=14,
        value_font_size=14,
        tooltip_font_size=14,
    )


def _drawn(chart: Any, key: str, words: tuple[str, str]) -> Markup:
    """The SVG as the page takes it: named for who cannot see it, without style, script or words for a script."""
    ET.register_namespace("", SVG[1:-1])
    root = ET.fromstring(chart.render())  # noqa: S314 - our own library's, of our own figures
    for parent in root.iter():
        _name(parent)
        for child in list(parent):
            if _mute(child):
                parent.remove(child)
    for element in root.iter():
        for name in [name for name in element.attrib if name in {"style", "id", "font-family"} or "xlink" in name]:
            del element.attrib[name]
    root.attrib = {"class": f"plot-{key}", "viewBox": root.attrib["viewBox"], "role": "img"}
    root.attrib["aria-labelledby"] = f"plot-{key}-title plot-{key}-told"
    for place, (name, text) in enumerate((("title", words[0]), ("desc", words[1]))):
        element = ET.Element(f"{SVG}{name}", {"id": f"plot-{key}-{'title' if name == 'title' else 'told'}"})
        element.text = plain(text)
        root.insert(place, element)
    return Markup(ET.tostring(root, encoding="unicode").replace("\n", " "))  # noqa: S704 - escaped by ElementTree


def _name(element: ET.Element) -> None:
    """What the library tells of a bar for its script becomes what a browser tells of it by itself."""
    told = {each.attrib.get("class", ""): each.text or "" for each in element if each.tag == f"{SVG}desc"}
    if told.get("value"):
        title = ET.Element(f"{SVG}title", {"class": "told"})
        title.text = f"{told['x_label']}, {told['value']}" if told.get("x_label") else told["value"]
        element.insert(0, title)


def _mute(element: ET.Element) -> bool:
    """What the library leaves in the picture for its own script."""
    known = element.attrib.get("class", "").split()
    unseen = element.tag in {f"{SVG}defs", f"{SVG}script", f"{SVG}style", f"{SVG}title", f"{SVG}desc"}
    return (
        (unseen and "told" not in known) or "tooltip" in known or "text-overlay" in known or "tooltip-overlay" in known
    )


def _short(title: str) -> str:
    text = plain(title)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip()}…"
