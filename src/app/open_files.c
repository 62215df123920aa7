#include "app/open_files.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"

enum { FEW = 4096 }; /* shells give 1024; a gateway needs one per reader */

enum err open_files_limit(int64_t wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        log_error("open_files_unknown", LOG_S("reason", strerror(errno)));
        return ERR_IO;
    }
    rlim_t before = limit.rlim_cur;
    rlim_t hard = limit.rlim_max; /* RLIM_INFINITY is the greatest value */
    limit.rlim_cur = hard < (rlim_t)wanted ? hard : (rlim_t)wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        log_error("open_files_not_set", LOG_I("limit", limit.rlim_cur),
                  LOG_S("reason", strerror(errno)));
        return ERR_IO;
    }
    if (before > limit.rlim_cur) {
        log_info("open_files_lowered", LOG_I("limit", limit.rlim_cur),
                 LOG_S("reason", "the system's limit is above serve.open_files"));
    } else if (limit.rlim_cur < FEW) {
        log_warn("open_files_few", LOG_I("limit", limit.rlim_cur),
                 LOG_S("reason", "the hard limit (ulimit -Hn) bounds the number of readers"));
    }
    return ERR_OK;
}
