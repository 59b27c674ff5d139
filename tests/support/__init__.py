"""What tests share: vendors on loopback, scripted replies, runners, screens."""
