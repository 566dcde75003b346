"""The served runbook: the same sections that alerts and findings point to."""

import re

from skewmon.export.page.runbook import drawn
from skewmon.export.rules import build_rules
from skewmon.timesync.findings.catalogue import FINDINGS


async def test_every_finding_and_alert_has_its_section(serve, client):
    """An alert's link leads to a heading, whichever rule raised it."""
    _, url = await serve()
    answer = await client.get(f"{url}/runbook")
    assert answer.status == 200
    assert answer.content_type == "text/html"
    anchors = set(re.findall(r'<h[1-6] id="([^"]+)"', await answer.text()))
    assert {str(kind) for kind in FINDINGS} <= anchors
    rules = [rule for group in build_rules()["groups"] for rule in group["rules"]]
    alerts = [rule["alert"] for rule in rules if "alert" in rule]
    assert len(alerts) > 10
    assert {name.lower() for name in alerts} <= anchors


def test_links_stay_on_the_page_or_lead_to_documents():
    """No link is left that only works in the repository."""
    links = re.findall(r'href="([^"]*)"', drawn())
    anchors = set(re.findall(r'id="([^"]+)"', drawn()))
    assert len(links) > 10
    for link in links:
        if link.startswith("#"):
            assert link[1:] in anchors, link
        else:
            assert link.startswith(("https://", "page/", "./")), link
