"""Who is talking: sockets, WebSockets, HTTP and the sessions on top of them.

From the wire inwards: `listener` owns the sockets and the one timer, `http` reads requests,
`handshake` judges upgrades, `websocket` and `framing` carry messages, `files` serves static files.
"""
