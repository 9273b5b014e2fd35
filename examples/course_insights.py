"""How much each media of a course was watched, as CSV: the vendor's example of insights per course.

Usage: python examples/course_insights.py insights.csv [course-id]

The id is that of the course in Canvas; without one, it is the first course that has media. It reads from the school
that `canvas-studio login` or CANVAS_STUDIO_URL and CANVAS_STUDIO_TOKEN have set up; without one, from a sandbox. The
first line says which.
"""

from __future__ import annotations

import csv
import sys
from contextlib import nullcontext
from pathlib import Path

from canvas_studio import StudioClient, StudioError, profiles
from canvas_studio.sandbox import Sandbox


def main(target: Path, course_id: int | None) -> None:
    """Write one row for each media of the course."""
    with nullcontext() if profiles.is_set_up() else Sandbox() as box:
        studio = box.client() if box else StudioClient.from_env()
        print("An invented library, in a sandbox" if box else studio.url)
        courses = (each.course_id for each in studio.list_collections() if each.course_id and each.media().first())
        course_id = course_id or next(courses, None)
        if course_id is None:
            return
        perspectives = studio.list_course_perspectives(course_id).collect()
        overviews = studio.map("get_insights_overview", perspectives)
        with target.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["title", "views", "minutes", "viewers"])
            for perspective, overview in zip(perspectives, overviews, strict=True):
                table.writerow([perspective.title, overview.views, overview.minutes_viewed, overview.unique_viewers])
        print(f"Course {course_id}: {len(perspectives)} media in {target}")


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3}:
        sys.exit(__doc__)
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) == 3 else None)  # noqa: PLR2004
    except (StudioError, OSError, ValueError) as error:
        sys.exit(f"course_insights: {error}")
