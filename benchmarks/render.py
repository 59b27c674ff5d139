"""Panels beside plain text and a naive Live: CPU, memory and bytes a token, and the lag."""

from __future__ import annotations

import argparse
import math
import re
import statistics
import sys
import tempfile
from pathlib import Path

from pty_run import Run, run
from texts import endless, mixed

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.loopback import Loopback
from support.replies import claude_stream, reasoner_stream

PROGRAM = (sys.executable, "-m", "deepreasoning_cli", "ask")
NAIVE = (sys.executable, str(Path(__file__).with_name("naive_live.py")))
KINDS = ("list", "table", "paragraph", "quotation", "code")
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def once(texts: list[str], form: str, *, pace: float = 0.0) -> tuple[Run, Loopback]:
    """One answer of `texts` in `form`: panels, plain or naive."""
    reasoner = Loopback(reasoner_stream(["so "], ["x"]))
    claude = Loopback(claude_stream(texts, pace=pace))
    with reasoner, claude, tempfile.TemporaryDirectory() as home:
        env = {
            "DEEPSEEK_API_KEY": "sk-benchmark-1",
            "ANTHROPIC_API_KEY": "sk-benchmark-2",
            "DEEPSEEK_BASE_URL": reasoner.url,
            "ANTHROPIC_BASE_URL": claude.url,
            "HOME": home,
            "XDG_CONFIG_HOME": home,
        }
        flags = {"panels": (), "plain": ("--plain",)}
        argv = (*NAIVE, claude.url) if form == "naive" else (*PROGRAM, *flags[form], "question")
        return run(argv, env), claude


def cpu(texts: list[str], form: str, rounds: int) -> float:
    """CPU in seconds beyond that of a run of one token; the least of each, for noise only adds."""
    pairs = [(once(texts, form)[0].cpu, once(["x"], form)[0].cpu) for _ in range(rounds)]
    return min(long for long, _ in pairs) - min(short for _, short in pairs)


def exponent(small: float, large: float, factor: int) -> float:
    """1 is linear growth, 2 quadratic."""
    return math.log(large / small) / math.log(factor)


def growth(rounds: int, sizes: list[int]) -> None:
    print("mixed text: CPU in µs a token, ratio to plain, bytes a token, peak memory")
    totals = {}
    for size in sizes:
        texts = mixed(size)
        plain, panels = cpu(texts, "plain", rounds), cpu(texts, "panels", rounds)
        totals[size] = panels
        sample, base = once(texts, "panels")[0], once(["x"], "panels")[0]
        print(
            f"{size:6}  plain {plain / size * 1e6:6.1f}  panels {panels / size * 1e6:6.1f}"
            f"  ratio {panels / plain:4.2f}  {sample.written / size:5.1f} bytes"
            f"  {(sample.peak_kb - base.peak_kb) / 1024:5.1f} MB more"
        )
    if {4096, 65536} <= set(sizes):
        print(f"exponent 4k to 64k: {exponent(totals[4096], totals[65536], 16):.2f}")
    for size in (256, 512, 1024):
        naive = cpu(mixed(size), "naive", 1)
        ours = cpu(mixed(size), "panels", rounds)
        print(
            f"{size:6}  naive Live {naive / size * 1e6:8.1f}  ratio to panels {naive / ours:5.1f}"
        )


def one_block(rounds: int) -> None:
    """1k tokens take about 20 ms, which noise can double: the second exponent is firmer."""
    print("one endless block: CPU in µs a token at 1k, 4k, 16k; exponents from 1k and from 4k")
    for kind in KINDS:
        one, four, sixteen = (
            cpu(endless(kind, size), "panels", rounds) for size in (1024, 4096, 16384)
        )
        print(
            f"{kind:10} {one / 1024 * 1e6:6.1f} {four / 4096 * 1e6:6.1f}"
            f" {sixteen / 16384 * 1e6:6.1f}"
            f"  exponents {exponent(one, four, 4):.2f} {exponent(four, sixteen, 4):.2f}"
        )


def lag(tokens: int, per_second: int = 150) -> None:
    texts = [f"w{n:05d}{chr(10) * 2 if n % 40 == 39 else ' '}" for n in range(tokens)]
    seen, claude = once(texts, "panels", pace=1 / per_second)
    sent = {}
    for at, piece in claude.connections[-1].sent:
        for word in re.findall(rb"w\d{5}", piece):
            sent.setdefault(word, at)
    shown: dict[bytes, float] = {}
    carry = b""
    for at, piece in seen.pieces:
        text = ESCAPES.sub(b"", carry + piece)
        for word in re.findall(rb"w\d{5}", text):
            shown.setdefault(word, at)
        carry = text[-8:]
    lags = sorted((shown[word] - sent[word]) * 1000 for word in sent if word in shown)
    last = max(at for at, piece in claude.connections[-1].sent if re.search(rb"w\d{5}", piece))
    print(
        f"lag at {per_second} tokens/s, {tokens} tokens: median {statistics.median(lags):.1f} ms,"
        f" 95 % {lags[len(lags) * 95 // 100]:.1f}, max {lags[-1]:.1f};"
        f" missing {len(sent) - len(lags)}; {seen.written / tokens:.1f} bytes a token;"
        f" last token to exit {(seen.ended - last) * 1000:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 4096, 16384, 65536])
    parser.add_argument("--lag", type=int, nargs="*", default=[1500, 6000], metavar="TOKENS")
    parser.add_argument("--only", choices=["growth", "blocks", "lag"])
    wanted = parser.parse_args()
    if wanted.only in (None, "growth"):
        growth(wanted.rounds, wanted.sizes)
    if wanted.only in (None, "blocks"):
        one_block(wanted.rounds)
    if wanted.only in (None, "lag"):
        for tokens in wanted.lag:
            lag(tokens)


if __name__ == "__main__":
    main()
