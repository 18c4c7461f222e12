"""The command line: one file a group of commands, each only parsing, calling and printing."""
