"""The syscalls of conman's default seccomp profile, sorted by what a program wants with them. Data only.

Three lists make the profile: what every container may call, what it may call where it holds a capability, and what the
kernel knows but a container is refused with EPERM. Whatever stands in none of them is answered with ENOSYS, as on a
kernel that is too old for it: C libraries then fall back to what they did before.
"""

from __future__ import annotations

ALWAYS: dict[str, str] = {
    "open and close": "open openat openat2 creat close close_range dup dup2 dup3 fcntl fcntl64 flock umask",
    "read and write": (
        "read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek _llseek sendfile "
        "sendfile64 splice tee copy_file_range readahead fadvise64 fadvise64_64 sync_file_range"),
    "make durable": "sync syncfs fsync fdatasync msync fallocate truncate truncate64 ftruncate ftruncate64",
    "look at files": (
        "stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs fstatfs64 "
        "access faccessat faccessat2 readlink readlinkat getdents getdents64 readdir getcwd name_to_handle_at"),
    "change files": (
        "mkdir mkdirat mknod mknodat rmdir link linkat symlink symlinkat unlink unlinkat rename renameat "
        "renameat2 chmod fchmod fchmodat chown chown32 fchown fchown32 lchown lchown32 fchownat utime utimes "
        "futimesat utimensat utimensat_time64 chdir fchdir"),
    "extended attributes": (
        "getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr listxattr llistxattr flistxattr "
        "removexattr lremovexattr fremovexattr"),
    "watch files": "inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark",
    "wait for descriptors": (
        "poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create epoll_create1 "
        "epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd "
        "signalfd4"),
    "asynchronous I/O": "io_setup io_destroy io_submit io_cancel io_getevents ioprio_get ioprio_set ioctl",
    "pipes and sockets": (
        "pipe pipe2 socketpair socketcall bind listen accept accept4 connect shutdown getsockname getpeername "
        "getsockopt setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64"),
    "System V and POSIX IPC": (
        "ipc shmget shmat shmdt shmctl semget semop semctl semtimedop semtimedop_time64 msgget msgsnd msgrcv "
        "msgctl mq_open mq_unlink mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64 "
        "mq_notify mq_getsetattr"),
    "memory": (
        "brk mmap mmap2 munmap mremap mprotect madvise mincore mlock mlock2 mlockall munlock munlockall "
        "remap_file_pages memfd_create memfd_secret pkey_alloc pkey_free pkey_mprotect membarrier "
        "get_mempolicy set_mempolicy mbind"),
    "processes": (
        "fork vfork execve execveat exit exit_group wait4 waitid waitpid prctl getpid getppid gettid getpgid "
        "getpgrp setpgid getsid setsid pidfd_open pidfd_send_signal pidfd_getfd process_mrelease "
        "process_vm_readv process_vm_writev ptrace times getrusage uname sysinfo"),
    "threads": (
        "futex futex_time64 set_robust_list get_robust_list set_tid_address rseq set_thread_area "
        "get_thread_area getcpu restart_syscall syscall"),
    "scheduling": (
        "sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam "
        "sched_setparam sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min "
        "sched_rr_get_interval sched_rr_get_interval_time64 getpriority setpriority"),
    "limits": "getrlimit ugetrlimit setrlimit prlimit64",
    "signals": (
        "kill tkill tgkill pause alarm signal sigaction sigaltstack sigpending sigprocmask sigreturn "
        "sigsuspend rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend "
        "rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo"),
    "time": (
        "time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_nanosleep "
        "clock_nanosleep_time64 nanosleep adjtimex clock_adjtime clock_adjtime64 getitimer setitimer "
        "timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime "
        "timer_settime64 timerfd timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime "
        "timerfd_settime64"),
    "who am I": (
        "getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid "
        "getresgid32 getgroups getgroups32 capget"),
    "who I become": (
        "setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32 "
        "setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capset"),
    "own sandbox": "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self",
    "random numbers": "getrandom",
}

BY_MACHINE: dict[str, str] = {
    "x86_64": "arch_prctl modify_ldt",
    "i686": "modify_ldt",
    "aarch64": "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2",
    "armv7l": "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2",
    "ppc64le": "sync_file_range2",
    "s390x": "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr",
}
"""What a machine's own C library needs, by ``uname -m``."""

WITH_CAPABILITY: dict[str, str] = {
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_SYS_ADMIN": (
        "mount umount umount2 pivot_root mount_setattr move_mount open_tree fsopen fsconfig fsmount fspick "
        "unshare setns clone3 bpf fanotify_init lookup_dcookie perf_event_open quotactl setdomainname "
        "sethostname"),
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "init_module finit_module delete_module query_module",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp process_madvise",
    "CAP_SYS_RAWIO": "ioperm iopl",
    "CAP_SYS_TIME": "clock_settime clock_settime64 settimeofday stime",
    "CAP_SYS_TTY_CONFIG": "vhangup",
    "CAP_SYSLOG": "syslog",
}
"""Allowed where the container's bounding set has the capability, refused with EPERM elsewhere; but see
``CLONE_NAMESPACES``."""

REFUSED: dict[str, str] = {
    "kernel keyrings, which namespaces do not part": "add_key keyctl request_key",
    "another kernel, swap, quota of the host": "kexec_load kexec_file_load swapon swapoff nfsservctl",
    "moving other processes' memory": "migrate_pages move_pages",
    "handy in exploits, rarely elsewhere": "userfaultfd vmsplice",
    "obsolete": (
        "bdflush nice oldfstat oldlstat oldolduname oldstat olduname sgetmask ssetmask swapcontext sysfs "
        "uselib ustat vm86 vm86old pciconfig_iobase pciconfig_read pciconfig_write"),
}

PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
"""PER_LINUX, PER_LINUX32, each with UNAME26, and the question for the present one."""

CLONE_NAMESPACES = 0x7E020000
"""Every CLONE_NEW* flag of clone(2): processes and threads may be made without, namespaces need CAP_SYS_ADMIN.
clone3(2) has its flags in memory, where a filter cannot look: it does not exist without that capability."""

ARCHITECTURES: dict[str, tuple[str, ...]] = {
    # Not x32: hardly a kernel speaks it any more, a filter without it refuses it whole, and with it the runtime takes
    # 10 to 20 ms more to build the filter at every start.
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86"),
    "i686": ("SCMP_ARCH_X86",),
    "aarch64": ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"),
    "armv7l": ("SCMP_ARCH_ARM",),
    "ppc64le": ("SCMP_ARCH_PPC64LE",),
    "s390x": ("SCMP_ARCH_S390X", "SCMP_ARCH_S390"),
    "riscv64": ("SCMP_ARCH_RISCV64",),
}
"""``uname -m`` -> libseccomp's names, the native one first."""

DOCKER_MACHINES: dict[str, str] = {"x86_64": "amd64", "i686": "x86", "aarch64": "arm64", "armv7l": "arm"}
"""``uname -m`` -> the names in ``includes.arches`` of docker's profile format, where they differ."""
