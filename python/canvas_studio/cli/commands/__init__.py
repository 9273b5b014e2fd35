"""The commands of `canvas-studio`: one file for each noun, imported when it is named (see `cli/command_table.py`)."""
