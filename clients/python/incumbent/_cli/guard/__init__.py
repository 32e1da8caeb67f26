"""The guard of `incumbent run`: the small process that is COMMAND's parent and ends it in time.

    run (leads, by the SDK) ── socket pair ──► guard ── parent ──► COMMAND and its process group

`run` tells the guard each new instant at which trust ends. The guard ends COMMAND by its own clock,
so COMMAND is dead in time also when `run` is killed or frozen. If the guard is killed, the kernel
kills COMMAND (PR_SET_PDEATHSIG) and `run` the rest. Both adopt orphans (PR_SET_CHILD_SUBREAPER), so
what leaves the process group or loses its parent is found and ended as well.

The guard is single-threaded and uses the standard library alone: it must start quickly, stay small,
and never wait for anything but its clock.
"""
