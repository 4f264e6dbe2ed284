"""The number of files, and so of connections, that the process may have open."""

import resource


def raise_file_limit() -> int:
    """Raise the soft limit to the hard one, as a process may do for itself; returns the limit that holds
    then. Shells give 1024, and a connection takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # macOS refuses an unlimited one
            return soft
    return hard
