"""How fields are given on the command line; declared at the field and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Option:
    """Makes a field of a recipe an option of `progsearch run`; part of its ``Annotated``.

    Attributes:
        metavar: The placeholder of the value; ``{choices}`` is replaced by the possible values,
            as in ``a|b``. Empty for a field that is true or false.
        help: What the option does; ``{default}`` and ``{choices}`` are replaced.
        name: The option's name, with underscores; by default the field's.
        after: The name of the option that it follows in the help; by default that of the field
            before.
        form: How text becomes the value, if it is not the field's type: a list given as ``a,b``
            or by repeating the option, a duration such as ``2h``, a local path, a share that
            may be given in per cent, or a size in memory such as ``16GiB``.
        group: The heading under which the help shows it; by default that of the field before.
    """

    metavar: str
    help: str
    name: str | None = None
    after: str | None = None
    form: Literal["list", "repeated", "duration", "path", "share", "size"] | None = None
    group: str | None = None
