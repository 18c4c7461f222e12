"""The embedded ClickHouse: chDB's engine behind ClickHouse's HTTP interface, as a process of its own.

`python -m tradewind.stack.clickhouse --path DIR --host 127.0.0.1 --port N --user U --password-file F`

- `sql.py`: where a statement ends and its inserted data starts, which format its answer has. Pure functions.
- `errors.py`: ClickHouse's error codes and the HTTP status of each.
- `encoding.py`: Content-Encoding and Accept-Encoding.
- `auth.py`: who may ask.
- `engine.py`: the chDB engine: one data folder, one connection a request or a session.
- `sessions.py`: what a `session_id` keeps from one request to the next.
- `request.py`: an HTTP request, read into a `Query`.
- `body.py`: a request's body, as it arrives. `exchange.py`: one request against the engine.
- `server.py`: the aiohttp application. `__main__.py`: the process.

With `--certificate` it speaks HTTPS, and with `--client-ca` only to clients that have a certificate.

Not here: users and grants, replication, the native TCP protocol, ClickHouse's own block compression
(`compress=1`). The engine reads and writes files with the rights of its process, as clickhouse-local does, so
whoever has the password can read what that process can read.
"""
