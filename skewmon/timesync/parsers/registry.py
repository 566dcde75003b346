"""Every parser by the name of its tool, as ``skewmon parse`` and the status script call it."""

from collections.abc import Mapping

from skewmon.timesync.parsers import (
    chronyc_sources,
    chronyc_tracking,
    ntp_ctl,
    ntpctl,
    ntpq,
    ntpq_rv,
    ntpstat,
    ntptime,
    show_timesync,
    timedatectl,
    timesync_status,
)
from skewmon.timesync.parsers.broken_lines import with_broken_lines
from skewmon.timesync.parsers.line_prefixes import without_prefix
from skewmon.timesync.parsers.overlong import without_overlong
from skewmon.timesync.parsers.report import Parser
from skewmon.timesync.parsers.terminal_text import without_terminal

PARSERS: Mapping[str, Parser] = {
    module.TOOL: with_broken_lines(without_overlong(without_terminal(without_prefix(module.parse))))
    for module in (
        ntpq,
        ntpq_rv,
        ntpstat,
        chronyc_tracking,
        chronyc_sources,
        timedatectl,
        timesync_status,
        show_timesync,
        ntpctl,
        ntp_ctl,
        ntptime,
    )
}
