"""`python -m canvas_studio` is the same as `canvas-studio`."""

from canvas_studio.cli import main

main()
