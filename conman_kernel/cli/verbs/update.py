"""``conman update``."""

from __future__ import annotations

from ...oci.runtime.options import ContainerOptions
from .. import out
from ..container_record import limits
from ..context import Context
from ..declare import CONTAINER, INTEGER, TEXT, Argument, Option, Verb
from ..several import LATEST, one
from ..values import Values


def _run(context: Context, values: Values) -> int:
    asked = limits(values)
    new = ContainerOptions()._replace(**asked)  # type: ignore[arg-type]
    container = one(context.conman(), values, missing="accepts 1 arg(s), received 0")
    container.update(
        memory=new.memory if "memory" in asked else None, memory_swap=new.memory_swap if "memory_swap" in asked else None,
        memory_reservation=new.memory_reservation if "memory_reservation" in asked else None,
        cpus=new.cpus if "cpus" in asked else None, cpu_shares=new.cpu_shares if "cpu_shares" in asked else None,
        cpuset_cpus=new.cpuset_cpus if "cpuset_cpus" in asked else None,
        cpuset_mems=new.cpuset_mems if "cpuset_mems" in asked else None,
        pids_limit=new.pids_limit if "pids_limit" in asked else None,
        restart=values.text("restart") if values.given("restart") else None, cancel=context.cancel)
    out.line(container.id)
    return 0


VERB = Verb(
    "update", "Change the limits and the restart policy of a container, now and for every start to come", _run,
    arguments=(Argument("CONTAINER", 0, 1, CONTAINER),),
    options=(
        Option("--cpu-shares", "Weight against other containers", INTEGER, "-c", "WEIGHT"),
        Option("--cpus", "Most CPUs, such as 1.5; 0 for no limit", metavar="COUNT"),
        Option("--cpuset-cpus", "CPUs that may be used, such as 0-3", metavar="LIST"),
        Option("--cpuset-mems", "Memory nodes that may be used", metavar="LIST"),
        LATEST,
        Option("--memory", "Most memory, such as 512m; -1 for no limit", TEXT, "-m", "SIZE"),
        Option("--memory-reservation", "Memory that is kept under pressure", metavar="SIZE"),
        Option("--memory-swap", "Most memory and swap together; -1 for no limit", metavar="SIZE"),
        Option("--pids-limit", "Most processes; -1 or 0 for no limit", metavar="COUNT"),
        Option("--restart", "Start it again when it ends: no, on-failure[:N], always, unless-stopped", metavar="POLICY"),
    ))
