#include "app/process.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"

pid_t process_fork(void) {
    pid_t parent = getpid();
    (void)fflush(NULL); /* else both processes write what is buffered */
    pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1); /* the parent died before the line above */
    }
    (void)setpgid(0, 0);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    return 0;
}

void process_log_exit(const char *event, const char *role, int worker, pid_t pid, int wait_status,
                      long long delay_ms) {
    bool signalled = WIFSIGNALED(wait_status);
    struct log_field fields[6] = {LOG_S("role", role)};
    int n = 1;
    if (worker >= 0) {
        fields[n++] = LOG_I("worker", worker);
    }
    fields[n++] = LOG_I("pid", pid);
    fields[n++] = signalled ? LOG_I("signal", WTERMSIG(wait_status))
                            : LOG_I("status", WEXITSTATUS(wait_status));
    if (delay_ms >= 0) {
        fields[n++] = LOG_I("restart_in_ms", delay_ms);
    }
    log_write(delay_ms >= 0 ? LOG_WARN : LOG_INFO, event, fields);
}
