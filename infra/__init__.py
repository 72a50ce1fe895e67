"""Settings, client factories, the embedded stack and the `ward` command line. Imports nothing else of ours."""
