"""Starts that users give: names, callables, arrays, files, and models of any kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamkm.cluster.arguments import to_json
from streamkm.cluster.checks import check_init
from streamkm.cluster.exchange import opened, start_of
from streamkm.cluster.fitted import Fitted
from streamkm.cluster.init import INITS
from streamkm.cluster.names import known_names
from streamkm.typing import Json


class GivenStart(Fitted):
    """For estimators with a parameter `init`."""

    init: Any
    _start: Any

    def read_start(self) -> None:
        """Read what `init` is, once: the model that it names may be replaced meanwhile.

        Raises
        ------
        SourceError
            If it is no start, a model that is not fitted, or one of another scaling.
        """
        check_init(self, INITS)
        start = self.init
        if isinstance(start, (str, Path)) and start not in INITS:
            start = opened(start)
        self._start_names = known_names(start)
        if isinstance(start, Fitted):
            self.scaling.refuse_other("init", start)
        self._start = start_of(start, INITS)

    def json_parameters(self) -> Json:
        """Return the parameters; a start that came from a model as its centers."""
        start = getattr(self, "_start", self.init)
        return {**super().json_parameters(), "init": to_json(start)}
