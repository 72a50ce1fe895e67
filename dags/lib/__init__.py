"""What the DAG files share. Airflow looks for DAGs only beside this folder (see `.airflowignore`)."""
