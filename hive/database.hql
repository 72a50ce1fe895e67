CREATE DATABASE IF NOT EXISTS ${database}
COMMENT 'Vital signs of the ward: readings, breaches, patients. Times are UTC. Not a medical device.'
LOCATION '${location}'
