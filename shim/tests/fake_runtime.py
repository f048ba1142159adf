"""A runtime for tests: starts a program as an OCI runtime's create would, and leaves.

usage: fake_runtime.py PID_FILE [--console SOCKET] [--fail STATUS TEXT] [--no-pid] [--hang SECONDS] [--until FILE STATUS] -- PROGRAM...

--until: go on beside the program until the file is there, then end with the status.
"""

import array
import os
import select
import signal
import socket
import sys

arguments = sys.argv[1:]
pid_file = arguments.pop(0)
console = ""
write_pid = True
until, status = "", 0
while arguments[0] != "--":
    word = arguments.pop(0)
    if word == "--console":
        console = arguments.pop(0)
    elif word == "--fail":
        status, text = int(arguments.pop(0)), arguments.pop(0)
        os.write(2, text.encode())
        sys.exit(status)
    elif word == "--no-pid":
        write_pid = False
    elif word == "--until":
        until, status = arguments.pop(0), int(arguments.pop(0))
    elif word == "--hang":
        select.select([], [], [], float(arguments.pop(0)))
program = arguments[1:]

slave = -1
if console:
    master, slave = os.openpty()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(console)
        connection.sendmsg([b"/dev/pts/ptmx"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [master]))])
child = os.fork()
if child == 0:
    if console:
        os.setsid()
        import fcntl
        import termios
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        os.close(slave)
        os.close(master)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # ignored in Python, and an exec would keep that
        signal.signal(number, signal.SIG_DFL)
    os.execvp(program[0], program)
if write_pid:
    with open(pid_file, "w") as file:
        file.write(str(child))
while until and not os.path.exists(until):
    select.select([], [], [], 0.01)
os._exit(status)
