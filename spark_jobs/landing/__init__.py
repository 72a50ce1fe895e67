"""How a batch becomes files of a Hive partition, exactly once, and how those files are compacted."""
