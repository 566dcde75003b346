"""A page that applies the changes between two drawings shows the second one."""

from hypothesis import given
from hypothesis import strategies as st

from skewmon.export.page.markup import Markup, join, tag
from skewmon.export.page.parts import Drawing
from skewmon.export.page.timeline import LEAST, TimelineSpan, merged

#: For each cluster its heading and the texts of its nodes.
PAGES = st.lists(st.tuples(st.text(), st.lists(st.text(max_size=3), max_size=4)), max_size=4)


def drawing(clusters: list[tuple[str, list[str]]]) -> Drawing:
    """Return a page with a part for each cluster and node."""
    made = Drawing()
    sections = []
    for number, (heading, nodes) in enumerate(clusters):
        cells = [made.part(f"c{number}n{place}", "li", text) for place, text in enumerate(nodes)]
        sections.append(made.part(f"c{number}", "ul", heading, *cells))
    made.part("all", "div", *sections)
    return made


@given(PAGES, PAGES)
def test_the_changes_lead_from_one_drawing_to_the_next(before, after) -> None:
    """Whatever was added, removed or changed; without a known drawing, everything is sent."""
    old, new = drawing(before), drawing(after)
    page = old.whole()
    for key, html in new.changes(old.fingerprints).items():
        assert page.count(old.whole(key)) >= 1
        page = page.replace(old.whole(key), html, 1)
    assert page == new.whole()
    assert new.changes(new.fingerprints) == {}
    assert new.changes({}) == {"all": new.whole()}


def test_only_the_part_that_changed_is_sent() -> None:
    """Not the parts around it."""
    old, new = drawing([("a", ["1", "2"]), ("b", [])]), drawing([("a", ["1", "3"]), ("b", [])])
    assert new.changes(old.fingerprints) == {"c0n1": '<li id="c0n1">3</li>'}


@given(st.text())
def test_no_text_is_markup_or_controls_a_terminal(text) -> None:
    """Neither as content nor as a value; placeholders of parts cannot be forged."""
    written = tag("p", text, title=text)
    assert written.count("<") == 2
    assert written.count('"') == 2
    assert written.isprintable()
    assert join((Markup("<b></b>"), text)).startswith("<b></b>")


def test_spans_that_overlap_are_one_bar() -> None:
    """If they have one level; each keeps its sentence, and none is too narrow to be seen."""
    spans = [
        TimelineSpan(0.1, 0.1, "warning", ("a",)),
        TimelineSpan(0.1, 0.3, "warning", ("b",)),
        TimelineSpan(0.2, 0.25, "critical", ("c",)),
        TimelineSpan(0.4, 0.4, "warning", ("d",)),
    ]
    assert sorted(merged(spans), key=lambda one: one.begin) == [
        TimelineSpan(0.1, 0.3, "warning", ("a", "b")),
        TimelineSpan(0.2, 0.25, "critical", ("c",)),
        TimelineSpan(0.4, 0.4 + LEAST, "warning", ("d",)),
    ]
