"""`ganwright watch`: a run in the browser as it trains."""

from __future__ import annotations

import webbrowser
from collections.abc import Sequence
from contextlib import suppress

from ganwright.commands.app import Serving, warn
from ganwright.commands.flags import Parser
from ganwright.config.spelling import path_of


def watch(argv: Sequence[str]) -> int:
    """Follow a run in the browser: its report, which reloads whenever the run writes it.

    Only this machine reaches the page by default. Ctrl-C ends it, and leaves the run alone.
    """
    parser = Parser("watch", watch.__doc__ or "", {"RUN": "The run folder."})
    parser.add("page", Serving())
    given, (where,) = parser.read(argv)

    from ganwright.app.listening import address, listen, names
    from ganwright.app.watching import Watcher

    run = path_of(str(given["RUN"]))
    with (
        suppress(KeyboardInterrupt),  # outermost: Ctrl-C may come while the page opens or closes
        listen(where.host, where.port) as opened,
        Watcher(run, opened, names(where.host)) as page,
    ):
        warn(where.host, "see this run")
        url = address(where.host, opened)
        print(f"{url}  (Ctrl-C ends it)", flush=True)
        if where.open:
            webbrowser.open(url)
        page.serve_forever()
    return 0
