"""The status sheet as it comes back over a connection."""

from typing import cast

import pytest

from skewmon.probe import sheet
from skewmon.probe.ssh import Connection

NONCE = "a1b2c3d4e5"
FACTS = f"\n{NONCE} begin facts\nuname Linux 6.1.0 x86_64\n\n{NONCE} err\n\n{NONCE} end 0\n"


@pytest.mark.parametrize(("last", "failures"), [(f"\n{NONCE} done\n", ()), ("", (sheet.CUT_OFF,))])
async def test_a_sheet_that_was_cut_off_is_told(
    last: str, failures: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tools that come after the cut are missing without a word of their own; nobody takes that for health."""

    async def read_text(_: Connection) -> tuple[str, str]:
        return NONCE, FACTS + last

    monkeypatch.setattr(sheet, "read_text", read_text)
    status = await sheet.read_status(cast("Connection", None))
    assert status.failures == failures
