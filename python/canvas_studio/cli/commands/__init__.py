"""The commands of `canvas-studio`: one file for each noun, imported when it is named (see `cli/table.py`)."""
