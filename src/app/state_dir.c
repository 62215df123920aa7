#include "app/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static enum err fail(const char *path, const char *what, struct buf *problems) {
    buf_printf(problems, "serve.state_dir: %s %s: %s\n", path, what, strerror(errno));
    return ERR_IO;
}

static enum err make_folder(const char *path, struct buf *problems) {
    if (mkdir(path, 0700) == 0) {
        return ERR_OK;
    }
    struct stat st;
    if (errno != EEXIST || stat(path, &st) != 0) {
        return fail(path, "cannot be made", problems);
    }
    if (!S_ISDIR(st.st_mode)) {
        buf_printf(problems, "serve.state_dir: %s is not a folder\n", path);
        return ERR_IO;
    }
    if (st.st_mode & 077) {
        /* Only told: the name may be a shared folder, whose mode is not ours to change. */
        log_warn("state_dir_open_to_others", LOG_S("path", path));
    }
    return ERR_OK;
}

static void put_holder(const char *path, int fd, struct buf *problems) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char *full = realpath(path, NULL);
    (void)fcntl(fd, F_GETLK, &lock);
    buf_printf(problems,
               "serve.state_dir: %s is in use by process %d, another \"tocsin serve\"; to share "
               "its Redis, set redis.url=unix://%s/redis.sock\n",
               path, (int)lock.l_pid, full ? full : path);
    free(full);
}

/* A record lock, not flock(): children do not inherit it, so none of them can hold the folder
 * after the supervisor, and the kernel tells who has it. */
enum err state_dir_lock(const char *path, int *out_lock_fd, struct buf *problems) {
    enum err err = make_folder(path, problems);
    if (err) {
        return err;
    }
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        return fail(path, "cannot be opened", problems);
    }
    int fd = openat(dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    (void)close(dir);
    if (fd < 0) {
        return fail(path, "cannot be written", problems);
    }
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_SETLK, &lock) == 0) {
        *out_lock_fd = fd;
        return ERR_OK;
    }
    bool held = errno == EAGAIN || errno == EACCES;
    err = held ? ERR_EXISTS : fail(path, "cannot be locked", problems);
    if (held) {
        put_holder(path, fd, problems);
    }
    (void)close(fd);
    return err;
}
