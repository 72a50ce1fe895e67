"""The embedded HiveServer2: removes what one that was killed left of its queries, and becomes the server.

python -m infra.hiveserver2
"""

from __future__ import annotations

import os
import tempfile

from infra import java
from infra.clients import hdfs
from infra.errors import UnavailableError
from infra.log import configure_logging, get_logger
from infra.render import conf_dir
from infra.settings import Settings, load_settings

SCRATCH = "/tmp/hiveserver2"
"""`hive.exec.scratchdir` on HDFS, by user and session: what queries have sorted and not yet told. Not Hive's usual
`/tmp/hive`, which Spark's sessions use too."""

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
            f"-Djava.io.tmpdir={tempfile.gettempdir()}",
        ),
    )


def remove_leftovers(settings: Settings) -> None:
    """Remove the temporary files of every session on HDFS: none outlives its server, and they hold rows of patients.
    Those on this machine are in the directory that the supervisor empties.

    While HDFS does not take orders they stay for the next start.
    """
    files = hdfs(settings)
    try:
        for user in files.ls(SCRATCH, detail=False) if files.exists(SCRATCH) else ():
            for session in files.ls(user, detail=False):
                files.rm(session, recursive=True)
    except (UnavailableError, OSError, RuntimeError) as error:
        log.warning("what a HiveServer2 before may have left on HDFS stays for now", reason=str(error))


def main() -> None:
    """Remove, and run the server in place of this process."""
    settings = load_settings()
    configure_logging(settings.log_level)
    remove_leftovers(settings)
    line = command(settings)
    os.execv(line[0], line)


if __name__ == "__main__":
    main()
