"""The program as it finds Windows: what only POSIX has is hidden from our modules alone.

Run as a program: the first argument is `import` (every module, one after the other; prints those
that fail) or `run` (the command line in the other arguments).
"""

from __future__ import annotations

import builtins
import fcntl
import importlib
import os
import pkgutil
import sys
import traceback
from types import ModuleType
from typing import Any, Final, cast

OURS: Final = "deepreasoning_cli"
PRESENT_MODULES: Final = frozenset({"msvcrt"})
LACKING: Final = """
modules crypt curses fcntl grp posix pty pwd readline resource spwd syslog termios tty
os O_CLOEXEC O_DIRECTORY O_DSYNC O_NOCTTY O_NOFOLLOW O_NONBLOCK O_SYNC WNOHANG chown chroot confstr
os ctermid fchdir fchmod fchown fdatasync fork forkpty fpathconf fstatvfs getegid geteuid getgid
os getgroups getloadavg getpgid getpgrp getpriority getsid getuid initgroups killpg lchown lockf
os major minor mkfifo mknod nice openpty pathconf pipe2 posix_fadvise posix_fallocate posix_spawn
os posix_spawnp pread preadv pwrite pwritev readv register_at_fork sched_getaffinity sched_yield
os sendfile setegid seteuid setgid setpgid setpgrp setpriority setsid setuid statvfs sync sysconf
os tcgetpgrp tcsetpgrp ttyname uname wait wait3 wait4 waitid writev
signal ITIMER_REAL SIGALRM SIGCHLD SIGCONT SIGHUP SIGIO SIGKILL SIGPIPE SIGPROF SIGQUIT SIGSTOP
signal SIGTSTP SIGTTIN SIGTTOU SIGURG SIGUSR1 SIGUSR2 SIGWINCH SIG_BLOCK SIG_SETMASK SIG_UNBLOCK
signal alarm getitimer pause pthread_kill pthread_sigmask setitimer siginterrupt sigpending
signal sigtimedwait sigwait sigwaitinfo
socket AF_UNIX CMSG_LEN CMSG_SPACE MSG_DONTWAIT MSG_NOSIGNAL SCM_RIGHTS SO_REUSEPORT
socket recv_fds send_fds
select epoll kqueue poll
time clock_gettime clock_settime pthread_getcpuclockid tzset
sys abiflags getdlopenflags setdlopenflags
"""
"""What of the library Windows has not (its documentation, under Availability): a module, names."""
ABSENT: Final[dict[str, set[str]]] = {}
for module_name, *absent_names in map(str.split, LACKING.strip().splitlines()):
    ABSENT.setdefault(module_name, set()).update(absent_names)
ABSENT_MODULES: Final = ABSENT.pop("modules")
REPLACED: Final = {("os", "name"): "nt", ("sys", "platform"): "win32"}


class Hiding(ModuleType):
    """A module of the library without what Windows lacks; what is set on it is set on that."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module.__name__)
        self.__dict__["hidden_in"] = module

    def __getattr__(self, name: str) -> Any:
        module = self.__dict__["hidden_in"]
        if name in ABSENT[module.__name__]:
            raise AttributeError(f"Windows has no {module.__name__}.{name}")
        return REPLACED.get((module.__name__, name), getattr(module, name))

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.__dict__["hidden_in"], name, value)


def _msvcrt() -> ModuleType:
    """What we use of it: a lock on the bytes that begin where the file stands."""
    module = ModuleType("msvcrt")

    def locking(descriptor: int, _mode: int, count: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, count, 0, os.SEEK_CUR)

    vars(module).update(LK_NBLCK=2, locking=locking)
    return module


def hide() -> None:
    """Hide it from whatever of our modules is imported from now on."""
    hiding = {name: Hiding(importlib.import_module(name)) for name in ABSENT}
    msvcrt = _msvcrt()
    real = builtins.__import__

    def import_(
        name: str,
        globals_: Any = None,
        locals_: Any = None,
        fromlist: Any = (),
        level: int = 0,
    ) -> ModuleType:
        importer = str((globals_ or {}).get("__name__", ""))
        if level or importer.partition(".")[0] != OURS:
            return real(name, globals_, locals_, fromlist, level)
        if name in ABSENT_MODULES:
            raise ModuleNotFoundError(f"Windows has no {name}", name=name)
        if name in PRESENT_MODULES:
            return msvcrt
        return hiding.get(name) or real(name, globals_, locals_, fromlist, level)

    builtins.__import__ = cast(Any, import_)


def import_all() -> None:
    """Import each of our modules; print what fails, and where."""
    package = importlib.import_module(OURS)
    for found in pkgutil.walk_packages(package.__path__, f"{OURS}."):
        try:
            importlib.import_module(found.name)
        except Exception as failure:  # noqa: BLE001 - each module is to be tried
            at = traceback.extract_tb(failure.__traceback__)[-1]
            print(f"{found.name}: {failure!r} at {at.filename}:{at.lineno}")
    print(sum(name.partition(".")[0] == OURS for name in sys.modules), "modules")


if __name__ == "__main__":
    hide()
    if sys.argv[1] == "import":
        import_all()
    else:
        del sys.argv[1]
        importlib.import_module(f"{OURS}.__main__").main()
