"""``conman copy``: images from any place to any other."""

from __future__ import annotations

from ...slots.provider import Access
from .. import out
from ..access import AUTH_FILE, TLS_VERIFY, access
from ..context import Context
from ..declare import FLAG, Argument, Option, Verb
from ..moving import FORMAT, manifest_format, standard_stream, write_digest
from ..pulling import PullDisplay
from ..values import Value, Values


def _run(context: Context, values: Values) -> int:
    conman = context.conman()
    source = standard_stream(values.arguments[0], writing=False)
    destination = standard_stream(values.arguments[1], writing=True)
    with PullDisplay(conman, quiet=values.flag("quiet")) as display:
        report = conman.images.copy(
            source, destination, all_platforms=values.flag("all"), platform=values.text("platform") or None,
            format=manifest_format(values), source_access=_access(values, "src-"), access=_access(values, "dest-"),
            progress=display, cancel=context.cancel)
    write_digest(values, report.digest)
    if not values.flag("quiet"):
        out.error_text(f"Copied {report.digest}: {report.written} blobs sent, {report.mounted} mounted, "
                       f"{report.present} there already\n")
    return 0


def _access(values: Values, side: str) -> Access:
    """The manner for one side: its own options, else the common ones."""
    chosen: dict[str, Value] = {}
    for key in ("tls-verify", "authfile", "creds", "cert-dir"):
        if values.given(side + key):
            chosen[key] = values.value(side + key)
        elif key in ("tls-verify", "authfile") and values.given(key):
            chosen[key] = values.value(key)
    return access(Values(chosen, {"tls-verify": True, "authfile": "", "creds": "", "cert-dir": ""}, ()))


def _side(side: str, what: str) -> tuple[Option, ...]:
    return (
        Option(f"--{side}authfile", f"File with credentials for the {what}", metavar="PATH"),
        Option(f"--{side}cert-dir", f"Folder of *.crt, *.cert and *.key for the {what}", metavar="PATH"),
        Option(f"--{side}creds", f"Credentials for the {what}", metavar="USER[:PASSWORD]"),
        Option(f"--{side}tls-verify", f"Require HTTPS with a valid certificate of the {what}", FLAG, default=True),
    )


VERB = Verb(
    "copy", "Copy an image from anywhere to anywhere, digests preserved", _run,
    arguments=(Argument("SOURCE", 1, 1), Argument("DESTINATION", 1, 1)),
    options=tuple(sorted((
        Option("--all", "Copy an index with the images of all its platforms", FLAG, short="-a"),
        AUTH_FILE, TLS_VERIFY, FORMAT, *_side("src-", "source"), *_side("dest-", "destination"),
        Option("--digestfile", "Write the digest of the copied manifest to this file", metavar="FILE"),
        Option("--platform", "What to take from an index, such as linux/arm64", metavar="OS/ARCH[/VARIANT]"),
        Option("--quiet", "Print no progress", FLAG, short="-q"),
    ), key=lambda option: option.long)),
    notes=("SOURCE and DESTINATION are references with a scheme: docker://HOST/NAME:TAG (also without the scheme), "
           "oci:PATH[:NAME], oci-archive:PATH[:NAME], docker-archive:PATH[:NAME:TAG], dir:PATH, "
           "and store:NAME for the store of this host. A '-' for PATH is standard input or output.",))
