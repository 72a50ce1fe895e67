"""The embedded HiveServer2: removes what one that was killed left of its queries, and becomes the server.

python -m infra.hiveserver2
"""

from __future__ import annotations

import os
from contextlib import suppress

from infra import java
from infra.clients import hdfs, with_retries
from infra.errors import UnavailableError
from infra.log import configure_logging, get_logger
from infra.render import conf_dir
from infra.settings import Settings, load_settings
from infra.supervise import temporary_dir

log = get_logger("hiveserver2")


def command(settings: Settings) -> list[str]:
    """The command line of the server itself."""
    logging = conf_dir(settings) / "hiveserver2" / "hive-log4j2.properties"
    return java.command(
        settings,
        "hiveserver2",
        "org.apache.hive.service.server.HiveServer2",
        heap="768m",
        conf=("hiveserver2", "hadoop"),
        flags=(
            *java.HIVE_FLAGS,
            f"-Dhive.log4j.file={logging}",
            f"-Dlog4j.configurationFile={logging}",
            f"-Djava.io.tmpdir={temporary_dir(settings, 'hiveserver2')}",
        ),
    )


def scratch_dir(settings: Settings) -> str:
    """`hive.exec.scratchdir` on HDFS: by user and session, what queries have sorted and not yet told."""
    return settings.hdfs_path("tmp", "hiveserver2")


def remove_leftovers(settings: Settings) -> None:
    """Remove the temporary files of every session on HDFS: none outlives its server, and they hold rows of patients.
    Those on this machine are in the directory that the supervisor empties.

    HDFS is waited for, as without it there is no answer to any query; if it stays away they stay for the next start,
    which is logged.
    """
    try:
        with_retries(settings, lambda: _remove_sessions(settings))
    except (UnavailableError, OSError, RuntimeError) as error:
        log.warning("what a HiveServer2 before may have left on HDFS stays for now", reason=str(error))


def _remove_sessions(settings: Settings) -> None:
    files = hdfs(settings)
    # Not `exists`, which takes a NameNode that is away for a directory that is not there.
    with suppress(FileNotFoundError):
        for user in files.ls(scratch_dir(settings), detail=False):
            for session in files.ls(user, detail=False):
                files.rm(session, recursive=True)


def main() -> None:
    """Remove, and run the server in place of this process."""
    settings = load_settings()
    configure_logging(settings.log_level)
    remove_leftovers(settings)
    line = command(settings)
    os.execv(line[0], line)


if __name__ == "__main__":
    main()
