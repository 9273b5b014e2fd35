"""The table of all commands, and the help that is printed from it without anything else being imported."""

COMMANDS = (
    # Name, module in `cli/commands/` that is imported when the command is named, help.
    ("login", "login", "Sign in at a school, and save a profile."),
    ("logout", "login", "Delete the tokens of a profile."),
    ("whoami", "whoami", "Show who is signed in, as far as Studio tells."),
    ("ping", "ping", "Check the way to a school step by step."),
    ("media", "media", "Find media, and show what there is to know about one."),
    ("collections", "collections", "List collections, and what is in them."),
    ("courses", "courses", "Show courses, and what is in them."),
    ("captions", "captions", "List and download captions, and check caption files."),
    ("users", "users", "Find users, and list what they have."),
    ("groups", "groups", "List the members of groups."),
    ("insights", "insights", "Show who watched how much."),
    ("api", "api", "Send any request that reads to Studio's API."),
    ("completion", "completion", "Print the script with which a shell completes words."),
    ("apidocs", "apidocs", "Compare a Studio's description of its API with the sandbox's."),
    ("snapshot", "snapshot", "Read a school's library into one SQLite file."),
    ("inventory", "inventory", "Show storage, likely waste and growth of a library."),
    ("caption-triage", "caption_triage", "Show which media watched in courses lack captions."),
    ("record", "record", "Run a program, and record its requests to Studio."),
    ("replay", "record", "Run a program, and answer its requests from a recording."),
    ("sandbox", "sandbox", "Run a Studio on this machine, to try things on."),
    ("demo", "demo", "Show what the package does in two minutes."),
)
"""A module has `app`, a group of commands; or for each command a function of its name, with `_` for `-`, and a line
that works in `EXAMPLES`."""

INSTEAD = {
    "auth": "login, whoami and logout",
    "config": "login",
    "configure": "login",
    "download": "media download",
    "init": "login",
    "list": "media list",
    "ls": "media list",
    "print": "media list",
    "profile": "login, whoami and logout",
    "profiles": "login, whoami and logout",
    "search": "media list",
    "show": "media show",
    "version": "--version",
    "videos": "media",
}
"""What the commands of other programs are called here."""

OPTIONS = (
    ("--version", "Show the version and exit."),
    ("--log-json", "Write one line of JSON per request to standard error."),
    ("-h, --help", "Show this message and exit."),
)

PROGRAM = "canvas-studio"
COMPLETE = "_CANVAS_STUDIO_COMPLETE"
"""What the script of `completion` sets when it asks for words."""

ABOUT = "Instructure Studio (Canvas Studio) from the command line."
EXAMPLE = f"{PROGRAM} media list --limit 10"


def full_help() -> str:
    """Return the help of `canvas-studio`.

    Returns:
        The text.
    """
    lines = [f"Usage: {PROGRAM} [OPTIONS] COMMAND [ARGS]...", "", f"  {ABOUT}", "", "Options:"]
    lines += [f"  {name:<16}{text}" for name, text in OPTIONS]
    lines += ["", "Commands:"]
    lines += [f"  {name:<16}{text}" for name, _, text in COMMANDS]
    lines += ["", f"`{PROGRAM} COMMAND --help` lists what a command takes.", "", f"Example: {EXAMPLE}"]
    return "\n".join(lines) + "\n"
