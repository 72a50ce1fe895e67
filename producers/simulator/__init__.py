"""A ward of simulated patients who write to MySQL as bedside devices would, with a record of what was true."""
