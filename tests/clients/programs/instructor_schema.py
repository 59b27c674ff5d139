"""instructor, with the mode that sends a schema."""

import instructor
from instructor_tasks import perform_with
from tasks import MODEL, URL

perform_with(
    instructor.from_provider(
        f"openai/{MODEL}",
        base_url=f"{URL}/v1",
        api_key="unused",
        mode=instructor.Mode.JSON_SCHEMA,
    )
)
