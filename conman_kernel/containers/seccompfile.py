"""Reading the seccomp profile that a caller names (``--security-opt seccomp=PATH``)."""

from __future__ import annotations

from ..errors import InvalidInput, NotFound

MAX_BYTES = 1 << 20


def read_profile(path: str) -> dict[str, object]:
    """Read and parse a profile, in OCI or docker's form. Its content is checked when the spec is built.

    :raises NotFound: no such file.
    :raises InvalidInput: it cannot be read, is larger than 1 MiB, or is no JSON object.
    """
    import json

    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise NotFound(f"seccomp profile {path}: no such file") from error
    except OSError as error:
        raise InvalidInput(f"seccomp profile {path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"seccomp profile {path} is larger than {MAX_BYTES} bytes")
    try:
        profile = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"seccomp profile {path} is not JSON: {error}") from error
    if not isinstance(profile, dict):
        raise InvalidInput(f"seccomp profile {path} is not a JSON object")
    return {str(key): value for key, value in profile.items()}
