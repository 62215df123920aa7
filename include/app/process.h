#pragma once
/* Child processes of the supervisor. */
#include <sys/types.h>

/* fork() for a child that never outlives this process: it is killed when its parent dies. In the
 * child no signal is blocked, and it leads a process group of its own, so that Ctrl-C in a
 * terminal reaches the supervisor alone, which stops the children in order. Returns as fork(). */
pid_t process_fork(void);
/* Logs how a child ended: `event` with role, worker (left out when < 0), pid and its exit status
 * or signal; `delay_ms` >= 0 tells when it is started again. */
void process_log_exit(const char *event, const char *role, int worker, pid_t pid, int wait_status,
                      long long delay_ms);
