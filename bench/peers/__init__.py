"""One module an engine that `bench.engine` measures; each is started as a process, `python -m bench.peers.X`.

`worker` says what they are given and what they give back. The modules of the peers import nothing of ours but that, so
that a peer may be installed under another Python.
"""
