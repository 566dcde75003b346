"""Write a manual page of each command to the directory that is named, from the commands' own help."""

import sys
from pathlib import Path

from click_man.core import write_man_pages

from skewmon import __version__
from skewmon.cli.main import COMMANDS, skewmon

# click-man reads the loaded commands only, and these are loaded when they are named.
for name in COMMANDS:
    command = skewmon.get_command(None, name)
    assert command is not None
    command.short_help = COMMANDS[name]
    skewmon.add_command(command, name)
skewmon.short_help = skewmon.help
target = Path(sys.argv[1])
target.mkdir(parents=True)
write_man_pages("skewmon", skewmon, version=__version__, target_dir=str(target))
