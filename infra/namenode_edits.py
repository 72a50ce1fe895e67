"""Merging the old edits of the embedded NameNode into an image of the file system.

python -m infra.namenode_edits
"""

from __future__ import annotations

import os
import subprocess
import sys

from infra import java
from infra.errors import WardError
from infra.settings import Settings, load_settings


def merge_edits(settings: Settings) -> None:
    """Have the NameNode's edits merged into a new image, by Hadoop's own checkpoint; older edits go then.

    A NameNode by itself does that at a start only, and a start reads all edits since. Nothing stands still meanwhile.
    Raises WardError with what the command said last when it fails; the edits are then kept.
    """
    main = "org.apache.hadoop.hdfs.server.namenode.SecondaryNameNode"
    command = java.command(settings, "hdfs", main, "-checkpoint", "force", heap="192m", conf=("hadoop",))
    environment = {**os.environ, "HADOOP_USER_NAME": settings.hadoop.user}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise WardError(
            f"The checkpoint of the NameNode ended with status {done.returncode}: {done.stderr.strip()[-1500:]}"
        )


def main() -> int:
    """Merge the edits; an HDFS elsewhere is left to those who keep it. Status 1, with the reason, when that failed."""
    settings = load_settings()
    try:
        if settings.hadoop.default_fs is None:
            merge_edits(settings)
    except WardError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
