"""The exit codes of all commands. An unknown one is a failure."""

from typing import Final

DONE: Final = 0
FAILED: Final = 1
ASKED_WRONGLY: Final = 2
REFUSED: Final = 3
NOT_ALL: Final = 4
STOPPED: Final = 130
