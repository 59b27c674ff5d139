"""What `serve` accepts, and what it writes.

One module a format, each with `read_request` and a writer; `request` and `writer` hold what they
share. Open `request` first."""
