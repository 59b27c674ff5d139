"""Many processes write turns into one store at once; print how many there are afterwards.

many_processes.py FOLDER PROCESSES TURNS → one JSON object. Forks, so it is a program of its own.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from deepreasoning_cli.history.store import Store
from support.sample_turns import journal_turn, turn_events


def main(folder: Path, processes: int, turns: int) -> None:
    reader, writer = os.pipe()
    children = []
    for process in range(processes):
        child = os.fork()
        if child == 0:
            os.close(reader)
            for turn in range(turns):
                events = turn_events(f"{process:02}-{turn:02}", session=f"session {process % 7}")
                journal_turn(folder, events, warn=lambda text: _say(writer, text))
            os._exit(0)
        children.append(child)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    codes = {os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children}
    with Store.open(folder, print) as store:
        kept = {row.id for row in store.listing()}
        places = [len(store.session_turns(session.name)) for session in store.sessions()]
    left = len(list((folder / "journal").iterdir()))
    print(
        json.dumps(
            {"kept": len(kept), "in_sessions": sum(places), "said": said, "left": left}
            | {"codes": sorted(codes)}
        )
    )


def _say(pipe: int, text: str) -> None:
    os.write(pipe, text.encode() + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
