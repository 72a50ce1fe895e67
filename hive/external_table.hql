CREATE EXTERNAL TABLE IF NOT EXISTS ${table} (
${columns}
)
COMMENT '${comment}'
${partitioned_by}
STORED AS PARQUET
LOCATION '${location}'
