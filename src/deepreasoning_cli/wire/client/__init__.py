"""What is sent to vendors, and what their replies mean.

One module a format, each with `request_body` and `read_reply`; `errors` is the only place that
judges what a vendor's error means. Open `chat_completions` first."""
