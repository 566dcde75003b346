"""Ending by a signal as cleanly as by Ctrl-C."""

import asyncio
import signal

#: Exit code of a program that SIGTERM ended, as shells report it.
EXIT_TERMINATED = 128 + signal.SIGTERM


def cancel_on(*numbers: signal.Signals) -> None:
    """Cancel the current task when one of these signals comes, so that everything it opened is closed."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for number in numbers:
        loop.add_signal_handler(number, task.cancel)
